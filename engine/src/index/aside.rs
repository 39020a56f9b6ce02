//! Arrays kept aside: what datoms have for them is the name of their content, a string.
//!
//! The array stands in the dictionary all the same, where no datom has it: behind a key that is made of the name. So it goes
//! wherever the dictionary goes (the log, segments, branches, exports), and is found by name.

use std::borrow::Cow;

use uuid::Uuid;

use super::{Cell, Dictionary, Interner, Kind};
use crate::value::{Value, content_uuid};

/// What keys and arrays begin with: no reader of EDN makes such a symbol.
const MARK: &str = " aside";

/// The name of an array, as datoms have it; none of what is no array.
pub fn name_of(array: &Value) -> Option<Value> {
    content_uuid(array).map(|name| Value::from(name.to_string()))
}

/// The cell of an array's name; the array is kept in the dictionary. None for what is no array.
pub fn set_aside(interner: &mut Interner, array: &Value) -> Option<Cell> {
    let name = content_uuid(array)?;
    let cell = interner.cell(&Value::from(name.to_string()));
    // One behind the other: whoever has the name has the array at the next but one.
    interner.intern(&key(name));
    interner.intern(&kept_aside(array.clone()));
    Some(cell)
}

/// The ids of what the dictionary keeps for a name: of its key, and of the array behind it.
pub fn ids_of(dictionary: &Dictionary, name: Cell) -> Option<[u32; 2]> {
    if name.kind != Kind::Str {
        return None;
    }
    let uuid = Uuid::try_parse(dictionary.interned(name.bits).as_str()?).ok()?;
    let key = key(uuid);
    let next = name.bits as u32 + 1;
    let at = match dictionary.get(next) == Some(&key) {
        true => next,
        // Something had the name before the array came.
        false => dictionary.find(&key)?,
    };
    Some([at, at + 1])
}

/// The array with a name, if one is kept.
pub fn array_of(dictionary: &Dictionary, name: Cell) -> Option<&Value> {
    let [_, at] = ids_of(dictionary, name)?;
    array_in(dictionary.get(at)?)
}

/// The numbers of a vector, also of one that is kept aside; none of what is no vector.
pub fn floats_of(dictionary: &Dictionary, cell: Cell) -> Option<Cow<'_, [f32]>> {
    match cell.kind {
        Kind::Floats | Kind::Doubles | Kind::Tuple => dictionary.interned(cell.bits).to_floats(),
        Kind::Str => array_of(dictionary, cell)?.to_floats(),
        _ => None,
    }
}

/// The array in what the dictionary keeps; none of any other value.
fn array_in(kept: &Value) -> Option<&Value> {
    match kept {
        Value::List(items) => match &items[..] {
            [
                Value::Symbol(mark),
                array @ (Value::FloatArray(_) | Value::DoubleArray(_)),
            ] if mark.as_str() == MARK => Some(array),
            _ => None,
        },
        _ => None,
    }
}

fn key(name: Uuid) -> Value {
    kept_aside(Value::Uuid(name))
}

/// An array, or its name, as the dictionary keeps it.
pub fn kept_aside(value: Value) -> Value {
    Value::list([Value::symbol(MARK), value])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(n: usize) -> Value {
        Value::FloatArray([n as f32, 0.5].into())
    }

    #[test]
    fn an_array_is_found_by_its_name_alone() {
        let mut interner = Interner::default();
        let taken = name_of(&array(3)).unwrap();
        interner.intern(&taken);
        let names: Vec<Cell> = (0..9)
            .map(|n| set_aside(&mut interner, &array(n)).unwrap())
            .collect();
        let again = set_aside(&mut interner, &array(5)).unwrap();
        let before = interner.added_len();
        assert_eq!((again, before), (names[5], 9 * 3));
        let dictionary = interner.finish();
        for (n, name) in names.iter().enumerate() {
            assert_eq!(dictionary.value(*name), name_of(&array(n)).unwrap());
            assert_eq!(array_of(&dictionary, *name), Some(&array(n)));
        }
        let last = Cell {
            bits: u64::from(dictionary.len()) - 1,
            ..names[0]
        };
        assert_eq!(array_of(&dictionary, last), None);
        assert_eq!(set_aside(&mut Interner::default(), &Value::Long(1)), None);
    }
}
