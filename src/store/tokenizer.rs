//! The words of a text, as the engine wants them.

use super::TOKENIZER;
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
        self.token.reset();
        WordStream { rest: text, token: &mut self.token }
    }
}

struct WordStream<'a> {
    rest: &'a str,
    token: &'a mut Token,
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(start) = self.rest.find(char::is_alphanumeric) else { return false };
        let word = &self.rest[start..];
        let end = word.find(|ch: char| !ch.is_alphanumeric()).unwrap_or(word.len());
        self.token.text.clear();
        self.token.text.extend(word[..end].chars().flat_map(char::to_lowercase));
        self.token.position = self.token.position.wrapping_add(1);
        self.rest = &word[end..];
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
