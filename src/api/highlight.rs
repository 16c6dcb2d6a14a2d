pub fn words(q:&logship_parsers::query::ast::Query)->Vec<String>{logship_parsers::query::words(q)}
