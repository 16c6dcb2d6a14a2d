//! The words of a text, as the engine wants them: [`logship_parsers::query::tokens`] behind its interface.

use super::TOKENIZER;
use logship_parsers::query::tokens::Tokens;
use tantivy::tokenizer::{TextAnalyzer, Token, TokenStream, Tokenizer, TokenizerManager};

/// The tokenizers that an index needs: ours, and `raw` for the columns (built in).
pub(super) fn tokenizers() -> TokenizerManager {
    let tokenizers = TokenizerManager::default();
    tokenizers.register(TOKENIZER, TextAnalyzer::from(Words::default()));
    tokenizers
}

#[derive(Clone, Default)]
struct Words {
    token: Token,
}

impl Tokenizer for Words {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        WordStream { tokens: Tokens::new(text), token: &mut self.token }
    }
}

struct WordStream<'a> {
    tokens: Tokens<'a>,
    token: &'a mut Token,
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(token) = self.tokens.next() else { return false };
        self.token.text.clear();
        self.token.text.push_str(token.text);
        self.token.position = token.position as usize;
        self.token.offset_from = token.start;
        self.token.offset_to = token.end;
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
