//! The walk over two schemas.

use super::{Comparison, Difference, Effect, Part, Verdict};
use crate::model::{Enum, Field, Schema, Struct, Type, Union};
use crate::text::type_name;

/// Compares what is written with what is read.
///
/// A consumer gives the channel's schema as the writer and its own as the reader; a producer that joins an existing channel
/// does it the other way round.
///
/// ```
/// use dmxp_schema::compat::{Verdict, compare};
/// use dmxp_schema::model::Schema;
///
/// let channel: Schema = "struct Tick v1 size 16 align 8 { id: u64 @0, price: f64 @8 }".parse()?;
/// let here: Schema = "struct Tick v1 size 16 align 8 { id: u64 @0, price: f32 @8, rest: reserved[4] @12 }".parse()?;
/// let comparison = compare(&channel, &here);
/// assert_eq!(comparison.verdict, Verdict::Incompatible);
/// assert_eq!(
///     comparison.differences[0].to_string(),
///     "field `price`: f64 at offset 8 in the channel, f32 at offset 8 here (another type)"
/// );
/// # Ok::<(), dmxp_schema::text::TextError>(())
/// ```
#[must_use]
pub fn compare(writer: &Schema, reader: &Schema) -> Comparison {
    let mut walk = Walk {
        path: String::new(),
        differences: Vec::new(),
    };
    let (w, r) = (writer.root(), reader.root());
    let message = |s: &Struct| Some(format!("message `{}`", s.name));
    if w.name != r.name {
        walk.message(r, message(w), message(r), Effect::Incompatible, "not the same message");
    }
    let extent = |s: &Struct| Some(format!("{} bytes aligned to {}", s.size, s.align));
    if (w.size, w.align) != (r.size, r.align) {
        walk.message(
            r,
            extent(w),
            extent(r),
            Effect::Incompatible,
            "size and alignment must be equal",
        );
    }
    if w.version != r.version {
        let version = |s: &Struct| Some(format!("version {}", s.version));
        walk.message(r, version(w), version(r), Effect::Note, "version");
    }
    if w.doc != r.doc {
        walk.message(r, doc(&w.doc), doc(&r.doc), Effect::Note, "doc comment");
    }
    walk.fields(w, r);
    if walk.differences.is_empty() && w != r {
        let (one, another) = (Some("one wording".to_owned()), Some("another".to_owned()));
        walk.message(r, one, another, Effect::Note, INSIDE);
    }
    let worst = walk.differences.iter().map(|difference| difference.effect).max();
    let verdict = match worst {
        None => Verdict::Identical,
        Some(Effect::Note | Effect::Compatible) => Verdict::Compatible,
        Some(Effect::Incompatible) => Verdict::Incompatible,
    };
    Comparison {
        verdict,
        differences: walk.differences,
    }
}

fn doc(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| format!("{:?}", text.lines().next().unwrap_or_default()))
}

fn place(field: &Field) -> Option<String> {
    Some(format!("{} at offset {}", type_name(&field.ty), field.offset))
}

fn named_place(field: &Field) -> Option<String> {
    Some(format!(
        "`{}`, {} at offset {},",
        field.name,
        type_name(&field.ty),
        field.offset
    ))
}

fn is_reserved(field: &Field) -> bool {
    matches!(field.ty, Type::Reserved(_))
}

/// The field of `others` that is the same as `field`: of the same name, else by alias, unless that one has a namesake.
fn counterpart<'a>(field: &Field, own: &Struct, others: &'a Struct) -> Option<&'a Field> {
    let real = |s: &'a Struct| s.fields.iter().filter(|other| !is_reserved(other));
    if let Some(namesake) = real(others).find(|other| other.name == field.name) {
        return Some(namesake);
    }
    real(others).find(|other| {
        (other.aliases.contains(&field.name) || field.aliases.contains(&other.name))
            && !own
                .fields
                .iter()
                .any(|mine| mine.name == other.name && !is_reserved(mine))
    })
}

/// Whether every byte of `field` is reserved in `other`.
fn lies_in_reserved(field: &Field, other: &Struct) -> bool {
    let end = field.offset + field.ty.size();
    other
        .fields
        .iter()
        .filter(|theirs| theirs.offset < end && field.offset < theirs.offset + theirs.ty.size())
        .all(is_reserved)
        && end <= other.size
}

fn covering(offset: u32, s: &Struct) -> Option<&Field> {
    s.fields
        .iter()
        .find(|field| (field.offset..field.offset + field.ty.size()).contains(&offset))
}

/// Whether all-zero bytes are a value of the type.
fn zero_is_valid(ty: &Type) -> bool {
    match ty {
        Type::Enum(e) => e.values.iter().any(|value| value.value == 0),
        Type::Array { element, .. } => zero_is_valid(element),
        Type::Struct(s) => s.fields.iter().all(|field| zero_is_valid(&field.ty)),
        // An empty vector, an absent value and an empty union hold nothing that could be wrong.
        _ => true,
    }
}

struct Walk {
    path: String,
    differences: Vec<Difference>,
}

impl Walk {
    fn message(
        &mut self,
        s: &Struct,
        writer: Option<String>,
        reader: Option<String>,
        effect: Effect,
        reason: &'static str,
    ) {
        let path = s.name.clone();
        self.differences.push(Difference {
            part: Part::Message,
            path,
            writer,
            reader,
            effect,
            reason,
        });
    }

    fn push(
        &mut self,
        part: Part,
        name: &str,
        writer: Option<String>,
        reader: Option<String>,
        effect: Effect,
        reason: &'static str,
    ) {
        let dot = if self.path.is_empty() || name.is_empty() {
            ""
        } else {
            "."
        };
        let path = format!("{}{dot}{name}", self.path);
        self.differences.push(Difference {
            part,
            path,
            writer,
            reader,
            effect,
            reason,
        });
    }

    fn within(&mut self, part: &str, walk: impl FnOnce(&mut Self)) {
        let len = self.path.len();
        if len > 0 && part != "[]" {
            self.path.push('.');
        }
        self.path.push_str(part);
        walk(self);
        self.path.truncate(len);
    }

    fn fields(&mut self, writer: &Struct, reader: &Struct) {
        for w in writer.fields.iter().filter(|field| !is_reserved(field)) {
            match counterpart(w, writer, reader) {
                Some(r) => self.field(w, r),
                None if lies_in_reserved(w, reader) => {
                    let reserved = Some("reserved".to_owned());
                    self.push(
                        Part::Field,
                        &w.name,
                        place(w),
                        reserved,
                        Effect::Compatible,
                        "only the writer knows it",
                    );
                }
                None => {
                    let there = covering(w.offset, reader).and_then(named_place);
                    self.push(Part::Field, &w.name, place(w), there, Effect::Incompatible, MISSING);
                }
            }
        }
        for r in reader.fields.iter().filter(|field| !is_reserved(field)) {
            if counterpart(r, reader, writer).is_some() {
                continue;
            }
            let reserved = Some("reserved".to_owned());
            if !lies_in_reserved(r, writer) {
                let there = covering(r.offset, writer).and_then(named_place);
                self.push(Part::Field, &r.name, there, place(r), Effect::Incompatible, MISSING);
            } else if zero_is_valid(&r.ty) {
                let reason = "only the reader knows it, and finds zero";
                self.push(Part::Field, &r.name, reserved, place(r), Effect::Compatible, reason);
            } else {
                let reason = "only the reader knows it, and zero is not one of its values";
                self.push(Part::Field, &r.name, reserved, place(r), Effect::Incompatible, reason);
            }
        }
    }

    fn field(&mut self, w: &Field, r: &Field) {
        let renamed = w.name != r.name;
        if renamed {
            let name = |field: &Field| Some(format!("named `{}`", field.name));
            self.push(
                Part::Field,
                &r.name,
                name(w),
                name(r),
                Effect::Compatible,
                "renamed, known by its alias",
            );
        }
        let before = self.differences.len();
        self.within(&r.name, |walk| walk.types(w, r, &w.ty, &r.ty));
        let type_changed = self.differences[before..]
            .iter()
            .any(|difference| difference.reason == TYPE);
        if w.offset != r.offset && !type_changed {
            self.push(Part::Field, &r.name, place(w), place(r), Effect::Incompatible, "moved");
        }
        let unit = |field: &Field| (!field.unit.is_empty()).then(|| format!("in {:?}", field.unit));
        if w.unit != r.unit {
            self.push(Part::Field, &r.name, unit(w), unit(r), Effect::Note, "unit");
        }
        if w.since != r.since {
            let since = |field: &Field| Some(format!("since version {}", field.since));
            self.push(Part::Field, &r.name, since(w), since(r), Effect::Note, "first version");
        }
        if w.aliases != r.aliases {
            let aliases = |field: &Field| {
                (!field.aliases.is_empty()).then(|| format!("once named `{}`", field.aliases.join("`, `")))
            };
            self.push(Part::Field, &r.name, aliases(w), aliases(r), Effect::Note, "aliases");
        }
        if w.doc != r.doc {
            self.push(
                Part::Field,
                &r.name,
                doc(&w.doc),
                doc(&r.doc),
                Effect::Note,
                "doc comment",
            );
        }
    }

    /// Compares the types `w` and `r`, which lie in the fields `in_writer` and `in_reader` at the current path.
    fn types(&mut self, in_writer: &Field, in_reader: &Field, w: &Type, r: &Type) {
        match (w, r) {
            (Type::Array { element: w, len }, Type::Array { element: r, len: other }) if len == other => {
                self.within("[]", |walk| walk.types(in_writer, in_reader, w, r));
            }
            (
                Type::Vec { element: w, capacity },
                Type::Vec {
                    element: r,
                    capacity: other,
                },
            ) if capacity == other && Type::count_width(w) == Type::count_width(r) => {
                self.within("[]", |walk| walk.types(in_writer, in_reader, w, r));
            }
            (Type::Nullable(w), Type::Nullable(r)) if w.align() == r.align() => {
                self.types(in_writer, in_reader, w, r);
            }
            (Type::Struct(w), Type::Struct(r)) if (w.size, w.align) == (r.size, r.align) => {
                self.definition_name("struct", &w.name, &r.name);
                self.fields(w, r);
            }
            (Type::Enum(w), Type::Enum(r)) if w.repr == r.repr => self.values(w, r, true),
            (Type::Enum(w_enum) | Type::OpenEnum(w_enum), Type::OpenEnum(r)) if w_enum.repr == r.repr => {
                if matches!(w, Type::Enum(_)) {
                    let (closed, open) = (Some("closed enum".to_owned()), Some("open enum".to_owned()));
                    self.push(
                        Part::Field,
                        "",
                        closed,
                        open,
                        Effect::Compatible,
                        "the reader takes every value",
                    );
                }
                self.values(w_enum, r, false);
            }
            (Type::Flags(w), Type::Flags(r)) if w.repr == r.repr => self.values(w, r, false),
            (Type::Union(w), Type::Union(r)) if (w.size, w.align) == (r.size, r.align) => {
                self.variants(in_writer, in_reader, w, r);
            }
            (w, r) if same_scalar(w, r) => {}
            (w, r) => {
                // At the top of the field the offsets are known to the person; deeper down they are those of the field.
                let place = |ty: &Type, field: &Field| Some(detailed_place(ty, field));
                self.push(
                    Part::Field,
                    "",
                    place(w, in_writer),
                    place(r, in_reader),
                    Effect::Incompatible,
                    TYPE,
                );
            }
        }
    }

    fn definition_name(&mut self, what: &str, w: &str, r: &str) {
        if w != r {
            let name = |name: &str| Some(format!("{what} {name}"));
            self.push(
                Part::Field,
                "",
                name(w),
                name(r),
                Effect::Compatible,
                "another name for the type",
            );
        }
    }

    fn values(&mut self, w: &Enum, r: &Enum, closed: bool) {
        self.definition_name("enum", &w.name, &r.name);
        for ours in &w.values {
            let number = Some(ours.value.to_string());
            match r.values.iter().find(|theirs| theirs.value == ours.value) {
                Some(theirs) if theirs.name == ours.name => {}
                Some(theirs) => {
                    let name = Some(format!("{}, named `{}`,", theirs.value, theirs.name));
                    let reason = "the same number with another name";
                    self.push(Part::Value, &ours.name, number, name, Effect::Incompatible, reason);
                }
                None => {
                    let theirs = r.values.iter().find(|theirs| theirs.name == ours.name);
                    let there = theirs.map(|theirs| theirs.value.to_string());
                    let (effect, reason) = match (&there, closed) {
                        (Some(_), _) => (Effect::Incompatible, "the same name with another number"),
                        (None, true) => (Effect::Incompatible, "a closed enum takes only values it knows"),
                        (None, false) => (Effect::Compatible, "the reader keeps values it does not know"),
                    };
                    self.push(Part::Value, &ours.name, number, there, effect, reason);
                }
            }
        }
        for theirs in &r.values {
            if w.values
                .iter()
                .all(|ours| ours.value != theirs.value && ours.name != theirs.name)
            {
                let number = Some(theirs.value.to_string());
                let reason = "only the reader knows it";
                self.push(Part::Value, &theirs.name, None, number, Effect::Compatible, reason);
            }
        }
    }

    fn variants(&mut self, in_writer: &Field, in_reader: &Field, w: &Union, r: &Union) {
        self.definition_name("union", &w.name, &r.name);
        let shown = |name: &str, tag: u32, ty: Option<&Type>| {
            let payload = ty.map_or(String::new(), |ty| format!("({})", type_name(ty)));
            Some(format!("{name}{payload} = {tag}"))
        };
        for ours in &w.variants {
            let mine = shown(&ours.name, ours.tag, ours.ty.as_ref());
            let Some(theirs) = r.variants.iter().find(|theirs| theirs.tag == ours.tag) else {
                let namesake = r.variants.iter().find(|theirs| theirs.name == ours.name);
                let there = namesake.and_then(|theirs| shown(&theirs.name, theirs.tag, theirs.ty.as_ref()));
                let (effect, reason) = if there.is_some() {
                    (Effect::Incompatible, "the same name with another tag")
                } else {
                    (Effect::Compatible, "the reader keeps variants it does not know")
                };
                self.push(Part::Variant, &ours.name, mine, there, effect, reason);
                continue;
            };
            let there = shown(&theirs.name, theirs.tag, theirs.ty.as_ref());
            if ours.name != theirs.name {
                let reason = "the same tag with another name";
                self.push(Part::Variant, &ours.name, mine, there, Effect::Incompatible, reason);
                continue;
            }
            match (&ours.ty, &theirs.ty) {
                (Some(w), Some(r)) => self.within(&ours.name, |walk| walk.types(in_writer, in_reader, w, r)),
                (None, None) => {}
                _ => self.push(
                    Part::Variant,
                    &ours.name,
                    mine,
                    there,
                    Effect::Incompatible,
                    "another payload",
                ),
            }
        }
        for theirs in &r.variants {
            if w.variants
                .iter()
                .all(|ours| ours.tag != theirs.tag && ours.name != theirs.name)
            {
                let there = shown(&theirs.name, theirs.tag, theirs.ty.as_ref());
                let reason = "only the reader knows it";
                self.push(Part::Variant, &theirs.name, None, there, Effect::Compatible, reason);
            }
        }
    }
}

const TYPE: &str = "another type";
const INSIDE: &str =
    "notes inside a type, the order of values or variants, or how reserved bytes are divided and named";
const MISSING: &str = "the other side has no such field; if it was renamed, name the old name as an alias";

/// The type, with what `type_name` leaves out where only that may differ.
fn detailed_place(ty: &Type, field: &Field) -> String {
    let detail = match ty {
        Type::Struct(s) => format!(" ({} bytes aligned to {})", s.size, s.align),
        Type::Union(u) => format!(" ({} bytes aligned to {})", u.size, u.align),
        Type::Enum(e) | Type::OpenEnum(e) | Type::Flags(e) => format!(" of {}", e.repr.name()),
        _ => String::new(),
    };
    let name = type_name(ty);
    let closed = if matches!(ty, Type::Enum(_)) { "closed " } else { "" };
    format!("{closed}{name}{detail} at offset {}", field.offset)
}

/// Types without definitions in them: equal when they are the same.
fn same_scalar(w: &Type, r: &Type) -> bool {
    !matches!(
        w,
        Type::Array { .. }
            | Type::Vec { .. }
            | Type::Nullable(_)
            | Type::Struct(_)
            | Type::Enum(_)
            | Type::OpenEnum(_)
            | Type::Flags(_)
            | Type::Union(_)
    ) && w == r
}
