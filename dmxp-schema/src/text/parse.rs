//! One line of text as a schema: words and marks, then the grammar, one method for each rule.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::TextError;
use crate::model::{Enum, EnumValue, Field, IntegerType, Schema, Struct, Type, Union, Variant};
use crate::validate::limits;

/// Reads the text form.
///
/// # Errors
/// [`TextError::Syntax`] with the column, what was expected and what was found; [`TextError::Invalid`] if the text breaks a
/// rule of [`crate::validate`].
///
/// ```
/// let error = dmxp_schema::text::parse("struct Ping v1 size 4 align 4 { sequence: u33 @0 }").unwrap_err();
/// assert_eq!(error.to_string(), "schema text, column 43: expected a type, found `u33`");
/// ```
pub fn parse(text: &str) -> Result<Schema, TextError> {
    let mut parser = Parser::new(text)?;
    let start = parser.column;
    let large = parser.take_word("large")?;
    parser.expect_word("struct")?;
    let root = parser.struct_definition(1)?;
    if parser.token != Token::End {
        return Err(parser.unexpected("the end of the schema"));
    }
    let schema = Schema::new(root).map_err(TextError::Invalid)?;
    if large != schema.is_large() {
        return Err(TextError::Syntax {
            column: start,
            expected: format!(
                "`large` before messages of more than {} bytes, and only before those",
                limits::MAX_INLINE_SIZE
            ),
            found: format!(
                "a message of {} bytes {} it",
                schema.size(),
                if large { "with" } else { "without" }
            ),
        });
    }
    Ok(schema)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Number(u64),
    String(String),
    Mark(char),
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "`{word}`"),
            Self::Number(number) => write!(f, "`{number}`"),
            Self::String(_) => f.write_str("a string"),
            Self::Mark(mark) => write!(f, "`{}`", mark.escape_debug()),
            Self::End => f.write_str("the end"),
        }
    }
}

struct Parser<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    /// Characters taken from `rest`.
    taken: usize,
    token: Token,
    /// Where `token` starts.
    column: usize,
    known: Known,
    /// The deepest level reached since the definition or type being read began.
    deepest: u32,
}

/// Definitions to the left, each with the number of levels below its own.
#[derive(Default)]
struct Known {
    structs: HashMap<String, (Arc<Struct>, u32)>,
    enums: HashMap<String, Arc<Enum>>,
    unions: HashMap<String, (Arc<Union>, u32)>,
}

type Parsed<T> = Result<T, TextError>;

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parsed<Self> {
        let mut parser = Self {
            rest: text.chars().peekable(),
            taken: 0,
            token: Token::End,
            column: 1,
            known: Known::default(),
            deepest: 1,
        };
        parser.advance()?;
        Ok(parser)
    }

    fn next_char(&mut self) -> Option<char> {
        self.taken += 1;
        self.rest.next()
    }

    fn take_while(&mut self, mut wanted: impl FnMut(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(c) = self.rest.next_if(|&c| wanted(c)) {
            self.taken += 1;
            text.push(c);
        }
        text
    }

    /// Moves to the next token and gives back the current one.
    fn advance(&mut self) -> Parsed<Token> {
        self.take_while(char::is_whitespace);
        self.column = self.taken + 1;
        let next = match self.rest.peek() {
            None => Token::End,
            Some(c) if c.is_ascii_alphabetic() || *c == '_' => {
                Token::Word(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_'))
            }
            Some(c) if c.is_ascii_digit() => {
                let digits = self.take_while(|c| c.is_ascii_digit());
                Token::Number(digits.parse().map_err(|_| TextError::Syntax {
                    column: self.column,
                    expected: "a number below 2^64".to_owned(),
                    found: format!("`{digits}`"),
                })?)
            }
            Some('"') => Token::String(self.string()?),
            Some(_) => Token::Mark(self.next_char().expect("peeked")),
        };
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn string(&mut self) -> Parsed<String> {
        let mut text = String::new();
        self.next_char();
        loop {
            let column = self.taken + 1;
            let wrong = |expected: &str, found: Option<char>| TextError::Syntax {
                column,
                expected: expected.to_owned(),
                found: found.map_or("the end".to_owned(), |c| format!("`{}`", c.escape_debug())),
            };
            match self.next_char() {
                Some('"') => return Ok(text),
                Some('\\') => match self.next_char() {
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    Some(c @ ('"' | '\\')) => text.push(c),
                    Some('u') => {
                        let expected = "`\\u{`, one to six hexadecimal digits of a character and `}`";
                        let open = self.next_char();
                        let digits = self.take_while(|c| c.is_ascii_hexdigit());
                        let close = self.next_char();
                        let c = (open == Some('{') && close == Some('}') && digits.len() <= 6)
                            .then(|| u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32))
                            .flatten()
                            .ok_or_else(|| TextError::Syntax {
                                column,
                                expected: expected.to_owned(),
                                found: format!("`\\u` and `{digits}`"),
                            })?;
                        text.push(c);
                    }
                    other => return Err(wrong("`\\\"`, `\\\\`, `\\n`, `\\r`, `\\t` or `\\u{...}`", other)),
                },
                Some(c) => text.push(c),
                None => return Err(wrong("`\"` at the end of the string", None)),
            }
        }
    }

    fn unexpected(&self, expected: impl Into<String>) -> TextError {
        TextError::Syntax {
            column: self.column,
            expected: expected.into(),
            found: self.token.to_string(),
        }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.token, Token::Word(found) if found == word)
    }

    fn take_word(&mut self, word: &str) -> Parsed<bool> {
        let found = self.is_word(word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.take_word(word)? {
            Ok(())
        } else {
            Err(self.unexpected(format!("`{word}`")))
        }
    }

    fn take_mark(&mut self, mark: char) -> Parsed<bool> {
        let found = self.token == Token::Mark(mark);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect_mark(&mut self, mark: char) -> Parsed<()> {
        if self.take_mark(mark)? {
            Ok(())
        } else {
            Err(self.unexpected(format!("`{mark}`")))
        }
    }

    fn name(&mut self, what: &str) -> Parsed<String> {
        match self.token {
            Token::Word(_) => match self.advance()? {
                Token::Word(name) => Ok(name),
                _ => unreachable!("the token was a word"),
            },
            _ => Err(self.unexpected(format!("the name of {what}"))),
        }
    }

    fn number(&mut self, what: &str) -> Parsed<u32> {
        if let Token::Number(number) = self.token
            && let Ok(number) = u32::try_from(number)
        {
            self.advance()?;
            return Ok(number);
        }
        Err(self.unexpected(format!("{what}, a number below 2^32")))
    }

    fn note(&mut self, word: &str) -> Parsed<String> {
        if !self.take_word(word)? {
            return Ok(String::new());
        }
        match self.token {
            Token::String(_) => match self.advance()? {
                Token::String(text) => Ok(text),
                _ => unreachable!("the token was a string"),
            },
            _ => Err(self.unexpected(format!("the text of `{word}`, in quotes"))),
        }
    }

    /// `{`, items separated by commas, `}`.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.expect_mark('{')?;
        let mut items = Vec::new();
        while !self.take_mark('}')? {
            if !items.is_empty() && !self.take_mark(',')? {
                return Err(self.unexpected("`,` or `}`"));
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// After `struct`.
    fn struct_definition(&mut self, depth: u32) -> Parsed<Struct> {
        let name = self.name("the struct")?;
        self.struct_body(name, depth)
    }

    fn struct_body(&mut self, name: String, depth: u32) -> Parsed<Struct> {
        let version = match &self.token {
            Token::Word(word) => word.strip_prefix('v').and_then(|digits| digits.parse().ok()),
            _ => None,
        }
        .ok_or_else(|| self.unexpected("the version, for example `v1`"))?;
        self.advance()?;
        self.expect_word("size")?;
        let size = self.number("the size")?;
        self.expect_word("align")?;
        let align = self.number("the alignment")?;
        let doc = self.note("doc")?;
        let fields = self.list(|p| p.field(depth))?;
        Ok(Struct {
            name,
            version,
            size,
            align,
            doc,
            fields,
        })
    }

    fn field(&mut self, depth: u32) -> Parsed<Field> {
        let name = self.name("a field")?;
        self.expect_mark(':')?;
        let ty = self.parse_type(depth + 1)?;
        self.expect_mark('@')?;
        let offset = self.number("the offset")?;
        let since = if self.take_word("since")? {
            self.number("the version")?
        } else {
            1
        };
        let unit = self.note("unit")?;
        let mut aliases = Vec::new();
        while self.take_word("alias")? {
            aliases.push(self.name("the alias")?);
        }
        let doc = self.note("doc")?;
        Ok(Field {
            name,
            offset,
            ty,
            since,
            unit,
            aliases,
            doc,
        })
    }

    /// Notes that a part lies at `level`. References can stack definitions, so this is counted and not left to the recursion.
    fn reach(&mut self, level: u32) -> Parsed<()> {
        if level > limits::MAX_DEPTH {
            return Err(self.unexpected(format!("at most {} levels of types inside types", limits::MAX_DEPTH)));
        }
        self.deepest = self.deepest.max(level);
        Ok(())
    }

    fn parse_type(&mut self, depth: u32) -> Parsed<Type> {
        self.reach(depth)?;
        let outside = std::mem::replace(&mut self.deepest, depth);
        let mut ty = self.base(depth)?;
        while self.token == Token::Mark('?') {
            // The value moves one level down.
            self.reach(self.deepest + 1)?;
            self.advance()?;
            ty = Type::Nullable(Box::new(ty));
        }
        self.deepest = self.deepest.max(outside);
        Ok(ty)
    }

    fn base(&mut self, depth: u32) -> Parsed<Type> {
        if self.take_mark('[')? {
            let element = self.parse_type(depth + 1)?;
            self.expect_mark(';')?;
            let len = self.number("the number of elements")?;
            self.expect_mark(']')?;
            return Ok(match element {
                Type::U8 => Type::Bytes(len),
                element => Type::Array {
                    element: Box::new(element),
                    len,
                },
            });
        }
        let Token::Word(word) = &self.token else {
            return Err(self.unexpected("a type"));
        };
        let scalar = match word.as_str() {
            "u8" => Type::U8,
            "u16" => Type::U16,
            "u32" => Type::U32,
            "u64" => Type::U64,
            "i8" => Type::I8,
            "i16" => Type::I16,
            "i32" => Type::I32,
            "i64" => Type::I64,
            "f32" => Type::F32,
            "f64" => Type::F64,
            "bool" => Type::Bool,
            "char" => Type::Char,
            "timestamp" => Type::Timestamp,
            "str" => {
                self.advance()?;
                return Ok(Type::Str(self.bracketed_length()?));
            }
            "reserved" => {
                self.advance()?;
                return Ok(Type::Reserved(self.bracketed_length()?));
            }
            "vec" => {
                self.advance()?;
                self.expect_mark('<')?;
                let element = Box::new(self.parse_type(depth + 1)?);
                self.expect_mark(';')?;
                let capacity = self.number("the capacity")?;
                self.expect_mark('>')?;
                return Ok(Type::Vec { element, capacity });
            }
            "struct" => {
                self.advance()?;
                return self.struct_use(depth).map(Type::Struct);
            }
            "enum" => {
                self.advance()?;
                return self.enum_use().map(Type::Enum);
            }
            "open" => {
                self.advance()?;
                self.expect_word("enum")?;
                return self.enum_use().map(Type::OpenEnum);
            }
            "flags" => {
                self.advance()?;
                return self.enum_use().map(Type::Flags);
            }
            "union" => {
                self.advance()?;
                return self.union_use(depth).map(Type::Union);
            }
            _ => return Err(self.unexpected("a type")),
        };
        self.advance()?;
        Ok(scalar)
    }

    fn bracketed_length(&mut self) -> Parsed<u32> {
        self.expect_mark('[')?;
        let len = self.number("the number of bytes")?;
        self.expect_mark(']')?;
        Ok(len)
    }

    fn undefined(column: usize, what: &str, name: &str) -> TextError {
        TextError::Syntax {
            column,
            expected: format!("a definition of {what} `{name}`, here or further left"),
            found: "its name only".to_owned(),
        }
    }

    fn struct_use(&mut self, depth: u32) -> Parsed<Arc<Struct>> {
        let column = self.column;
        let name = self.name("the struct")?;
        if !matches!(self.token, Token::Word(_)) {
            let known = self.known.structs.get(&name).cloned();
            let (definition, levels) = known.ok_or_else(|| Self::undefined(column, "struct", &name))?;
            self.reach(depth + levels)?;
            return Ok(definition);
        }
        let outside = std::mem::replace(&mut self.deepest, depth);
        let definition = Arc::new(self.struct_body(name, depth)?);
        let levels = self.deepest - depth;
        self.known
            .structs
            .insert(definition.name.clone(), (Arc::clone(&definition), levels));
        self.deepest = self.deepest.max(outside);
        Ok(definition)
    }

    fn enum_use(&mut self) -> Parsed<Arc<Enum>> {
        let column = self.column;
        let name = self.name("the enum")?;
        if !self.take_mark(':')? {
            return self
                .known
                .enums
                .get(&name)
                .cloned()
                .ok_or_else(|| Self::undefined(column, "enum", &name));
        }
        let repr = match &self.token {
            Token::Word(word) => IntegerType::from_name(word),
            _ => None,
        }
        .ok_or_else(|| self.unexpected("an integer type, `u8` to `i64`"))?;
        self.advance()?;
        let doc = self.note("doc")?;
        let values = self.list(|p| {
            let name = p.name("a value")?;
            p.expect_mark('=')?;
            let negative = p.take_mark('-')?;
            let Token::Number(number) = p.token else {
                return Err(p.unexpected("the value, a number"));
            };
            p.advance()?;
            let value = if negative { -i128::from(number) } else { number.into() };
            Ok(EnumValue {
                name,
                value,
                doc: p.note("doc")?,
            })
        })?;
        let definition = Arc::new(Enum {
            name,
            repr,
            doc,
            values,
        });
        self.known
            .enums
            .insert(definition.name.clone(), Arc::clone(&definition));
        Ok(definition)
    }

    fn union_use(&mut self, depth: u32) -> Parsed<Arc<Union>> {
        let column = self.column;
        let name = self.name("the union")?;
        if !self.take_word("size")? {
            let known = self.known.unions.get(&name).cloned();
            let (definition, levels) = known.ok_or_else(|| Self::undefined(column, "union", &name))?;
            self.reach(depth + levels)?;
            return Ok(definition);
        }
        let outside = std::mem::replace(&mut self.deepest, depth);
        let size = self.number("the size")?;
        self.expect_word("align")?;
        let align = self.number("the alignment")?;
        let doc = self.note("doc")?;
        let variants = self.list(|p| {
            let name = p.name("a variant")?;
            let mut ty = None;
            if p.take_mark('(')? {
                ty = Some(p.parse_type(depth + 1)?);
                p.expect_mark(')')?;
            }
            p.expect_mark('=')?;
            let tag = p.number("the tag")?;
            Ok(Variant {
                name,
                tag,
                ty,
                doc: p.note("doc")?,
            })
        })?;
        let definition = Arc::new(Union {
            name,
            size,
            align,
            doc,
            variants,
        });
        let levels = self.deepest - depth;
        self.known
            .unions
            .insert(definition.name.clone(), (Arc::clone(&definition), levels));
        self.deepest = self.deepest.max(outside);
        Ok(definition)
    }
}
