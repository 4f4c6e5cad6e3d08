//! One line of text as a schema: the grammar, one method for each rule.

use std::collections::HashMap;
use std::sync::Arc;

use super::TextError;
use super::token::{Parsed, Token, Tokens};
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
    let mut parser = Parser {
        tokens: Tokens::new(text)?,
        known: Known::default(),
        deepest: 1,
    };
    let start = parser.tokens.column;
    let large = parser.tokens.take_word("large")?;
    parser.tokens.expect_word("struct")?;
    let root = parser.struct_definition(1)?;
    if parser.tokens.token != Token::End {
        return Err(parser.tokens.unexpected("the end of the schema"));
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

struct Parser<'a> {
    tokens: Tokens<'a>,
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
impl Parser<'_> {
    /// `{`, items separated by commas, `}`.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.tokens.expect_mark('{')?;
        let mut items = Vec::new();
        while !self.tokens.take_mark('}')? {
            if !items.is_empty() && !self.tokens.take_mark(',')? {
                return Err(self.tokens.unexpected("`,` or `}`"));
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// After `struct`.
    fn struct_definition(&mut self, depth: u32) -> Parsed<Struct> {
        let name = self.tokens.name("the struct")?;
        self.struct_body(name, depth)
    }

    fn struct_body(&mut self, name: String, depth: u32) -> Parsed<Struct> {
        let version = match &self.tokens.token {
            Token::Word(word) => word.strip_prefix('v').and_then(|digits| digits.parse().ok()),
            _ => None,
        }
        .ok_or_else(|| self.tokens.unexpected("the version, for example `v1`"))?;
        self.tokens.advance()?;
        self.tokens.expect_word("size")?;
        let size = self.tokens.number("the size")?;
        self.tokens.expect_word("align")?;
        let align = self.tokens.number("the alignment")?;
        let doc = self.tokens.note("doc")?;
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
        let name = self.tokens.name("a field")?;
        self.tokens.expect_mark(':')?;
        let ty = self.parse_type(depth + 1)?;
        self.tokens.expect_mark('@')?;
        let offset = self.tokens.number("the offset")?;
        let since = if self.tokens.take_word("since")? {
            self.tokens.number("the version")?
        } else {
            1
        };
        let unit = self.tokens.note("unit")?;
        let mut aliases = Vec::new();
        while self.tokens.take_word("alias")? {
            aliases.push(self.tokens.name("the alias")?);
        }
        let doc = self.tokens.note("doc")?;
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
            return Err(self
                .tokens
                .unexpected(format!("at most {} levels of types inside types", limits::MAX_DEPTH)));
        }
        self.deepest = self.deepest.max(level);
        Ok(())
    }

    fn parse_type(&mut self, depth: u32) -> Parsed<Type> {
        self.reach(depth)?;
        let outside = std::mem::replace(&mut self.deepest, depth);
        let mut ty = self.base(depth)?;
        while self.tokens.token == Token::Mark('?') {
            // The value moves one level down.
            self.reach(self.deepest + 1)?;
            self.tokens.advance()?;
            ty = Type::Nullable(Box::new(ty));
        }
        self.deepest = self.deepest.max(outside);
        Ok(ty)
    }

    fn base(&mut self, depth: u32) -> Parsed<Type> {
        if self.tokens.take_mark('[')? {
            let element = self.parse_type(depth + 1)?;
            self.tokens.expect_mark(';')?;
            let len = self.tokens.number("the number of elements")?;
            self.tokens.expect_mark(']')?;
            return Ok(match element {
                Type::U8 => Type::Bytes(len),
                element => Type::Array {
                    element: Box::new(element),
                    len,
                },
            });
        }
        let Token::Word(word) = &self.tokens.token else {
            return Err(self.tokens.unexpected("a type"));
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
                self.tokens.advance()?;
                return Ok(Type::Str(self.bracketed_length()?));
            }
            "reserved" => {
                self.tokens.advance()?;
                return Ok(Type::Reserved(self.bracketed_length()?));
            }
            "vec" => {
                self.tokens.advance()?;
                self.tokens.expect_mark('<')?;
                let element = Box::new(self.parse_type(depth + 1)?);
                self.tokens.expect_mark(';')?;
                let capacity = self.tokens.number("the capacity")?;
                self.tokens.expect_mark('>')?;
                return Ok(Type::Vec { element, capacity });
            }
            "struct" => {
                self.tokens.advance()?;
                return self.struct_use(depth).map(Type::Struct);
            }
            "enum" => {
                self.tokens.advance()?;
                return self.enum_use().map(Type::Enum);
            }
            "open" => {
                self.tokens.advance()?;
                self.tokens.expect_word("enum")?;
                return self.enum_use().map(Type::OpenEnum);
            }
            "flags" => {
                self.tokens.advance()?;
                return self.enum_use().map(Type::Flags);
            }
            "union" => {
                self.tokens.advance()?;
                return self.union_use(depth).map(Type::Union);
            }
            _ => return Err(self.tokens.unexpected("a type")),
        };
        self.tokens.advance()?;
        Ok(scalar)
    }

    fn bracketed_length(&mut self) -> Parsed<u32> {
        self.tokens.expect_mark('[')?;
        let len = self.tokens.number("the number of bytes")?;
        self.tokens.expect_mark(']')?;
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
        let column = self.tokens.column;
        let name = self.tokens.name("the struct")?;
        if !matches!(self.tokens.token, Token::Word(_)) {
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
        let column = self.tokens.column;
        let name = self.tokens.name("the enum")?;
        if !self.tokens.take_mark(':')? {
            return self
                .known
                .enums
                .get(&name)
                .cloned()
                .ok_or_else(|| Self::undefined(column, "enum", &name));
        }
        let repr = match &self.tokens.token {
            Token::Word(word) => IntegerType::from_name(word),
            _ => None,
        }
        .ok_or_else(|| self.tokens.unexpected("an integer type, `u8` to `i64`"))?;
        self.tokens.advance()?;
        let doc = self.tokens.note("doc")?;
        let values = self.list(|p| {
            let name = p.tokens.name("a value")?;
            p.tokens.expect_mark('=')?;
            let negative = p.tokens.take_mark('-')?;
            let Token::Number(number) = p.tokens.token else {
                return Err(p.tokens.unexpected("the value, a number"));
            };
            p.tokens.advance()?;
            let value = if negative { -i128::from(number) } else { number.into() };
            Ok(EnumValue {
                name,
                value,
                doc: p.tokens.note("doc")?,
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
        let column = self.tokens.column;
        let name = self.tokens.name("the union")?;
        if !self.tokens.take_word("size")? {
            let known = self.known.unions.get(&name).cloned();
            let (definition, levels) = known.ok_or_else(|| Self::undefined(column, "union", &name))?;
            self.reach(depth + levels)?;
            return Ok(definition);
        }
        let outside = std::mem::replace(&mut self.deepest, depth);
        let size = self.tokens.number("the size")?;
        self.tokens.expect_word("align")?;
        let align = self.tokens.number("the alignment")?;
        let doc = self.tokens.note("doc")?;
        let variants = self.list(|p| {
            let name = p.tokens.name("a variant")?;
            let mut ty = None;
            if p.tokens.take_mark('(')? {
                ty = Some(p.parse_type(depth + 1)?);
                p.tokens.expect_mark(')')?;
            }
            p.tokens.expect_mark('=')?;
            let tag = p.tokens.number("the tag")?;
            Ok(Variant {
                name,
                tag,
                ty,
                doc: p.tokens.note("doc")?,
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
