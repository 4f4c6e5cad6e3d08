//! The words, numbers, strings and marks of the text form, one ahead.

use std::fmt;

use super::TextError;

pub(super) type Parsed<T> = Result<T, TextError>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
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

/// A text, token by token.
pub(super) struct Tokens<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    /// Characters taken from `rest`.
    taken: usize,
    /// The one that comes next.
    pub(super) token: Token,
    /// Where `token` starts.
    pub(super) column: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Parsed<Self> {
        let mut tokens = Self {
            rest: text.chars().peekable(),
            taken: 0,
            token: Token::End,
            column: 1,
        };
        tokens.advance()?;
        Ok(tokens)
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
    pub(super) fn advance(&mut self) -> Parsed<Token> {
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

    pub(super) fn unexpected(&self, expected: impl Into<String>) -> TextError {
        TextError::Syntax {
            column: self.column,
            expected: expected.into(),
            found: self.token.to_string(),
        }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.token, Token::Word(found) if found == word)
    }

    pub(super) fn take_word(&mut self, word: &str) -> Parsed<bool> {
        let found = self.is_word(word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.take_word(word)? {
            Ok(())
        } else {
            Err(self.unexpected(format!("`{word}`")))
        }
    }

    pub(super) fn take_mark(&mut self, mark: char) -> Parsed<bool> {
        let found = self.token == Token::Mark(mark);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn expect_mark(&mut self, mark: char) -> Parsed<()> {
        if self.take_mark(mark)? {
            Ok(())
        } else {
            Err(self.unexpected(format!("`{mark}`")))
        }
    }

    pub(super) fn name(&mut self, what: &str) -> Parsed<String> {
        match self.token {
            Token::Word(_) => match self.advance()? {
                Token::Word(name) => Ok(name),
                _ => unreachable!("the token was a word"),
            },
            _ => Err(self.unexpected(format!("the name of {what}"))),
        }
    }

    pub(super) fn number(&mut self, what: &str) -> Parsed<u32> {
        if let Token::Number(number) = self.token
            && let Ok(number) = u32::try_from(number)
        {
            self.advance()?;
            return Ok(number);
        }
        Err(self.unexpected(format!("{what}, a number below 2^32")))
    }

    pub(super) fn note(&mut self, word: &str) -> Parsed<String> {
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
}
