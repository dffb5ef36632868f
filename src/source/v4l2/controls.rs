//! A camera's controls (exposure, white balance, gain …), by the names that `v4l2-ctl` gives them.

use super::sys::*;

use super::node::{Node, blank, text};
use crate::source::ControlValue;

/// One control.
#[derive(Debug, Clone, PartialEq)]
pub struct Control {
    id: u32,
    /// `exposure_time_absolute`.
    pub name: String,
    kind: Kind,
    pub least: i64,
    pub most: i64,
    step: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Number,
    Switch,
    /// The entries, by number.
    Menu(Vec<(i64, String)>),
    /// Buttons, texts and tables, which a configuration cannot set.
    Other,
}

/// More controls than any camera has.
const MAX_CONTROLS: usize = 256;

/// The controls that `node` has.
pub fn controls(node: &Node) -> Vec<Control> {
    let mut found = Vec::new();
    let mut id = V4L2_CTRL_FLAG_NEXT_CTRL;
    for _ in 0..MAX_CONTROLS {
        let mut query = v4l2_query_ext_ctrl { id, ..blank() };
        let is_next =
            node.call(vidioc::VIDIOC_QUERY_EXT_CTRL, &mut query).is_ok() && query.id > id & !V4L2_CTRL_FLAG_NEXT_CTRL;
        // A faulty driver may return the same one for ever.
        if !is_next {
            break;
        }
        id = query.id | V4L2_CTRL_FLAG_NEXT_CTRL;
        let is_usable = query.flags & (V4L2_CTRL_FLAG_DISABLED | V4L2_CTRL_FLAG_READ_ONLY) == 0;
        if is_usable && query.type_ != V4L2_CTRL_TYPE_CTRL_CLASS {
            found.push(read(node, &query));
        }
    }
    found
}

fn read(node: &Node, query: &v4l2_query_ext_ctrl) -> Control {
    let kind = match query.type_ {
        V4L2_CTRL_TYPE_INTEGER | V4L2_CTRL_TYPE_BITMASK => Kind::Number,
        V4L2_CTRL_TYPE_BOOLEAN => Kind::Switch,
        V4L2_CTRL_TYPE_MENU | V4L2_CTRL_TYPE_INTEGER_MENU => Kind::Menu(menu(node, query)),
        _ => Kind::Other,
    };
    let name: Vec<u8> = query.name.iter().map(|c| *c as u8).collect();
    Control { id: query.id, name: key(&text(&name)), kind, least: query.minimum, most: query.maximum, step: query.step }
}

fn menu(node: &Node, query: &v4l2_query_ext_ctrl) -> Vec<(i64, String)> {
    let range = query.minimum.max(0)..=query.maximum.min(query.minimum.max(0).saturating_add(64));
    range
        .filter_map(|number| {
            let mut entry = v4l2_querymenu { id: query.id, index: u32::try_from(number).ok()?, ..blank() };
            // Menus have gaps.
            node.call(vidioc::VIDIOC_QUERYMENU, &mut entry).ok()?;
            let is_text = query.type_ == V4L2_CTRL_TYPE_MENU;
            // SAFETY: the driver filled the part for this kind of menu. (The structure is packed: parts are copied.)
            let label = unsafe {
                if is_text {
                    text(&{ entry.__bindgen_anon_1.name })
                } else {
                    { entry.__bindgen_anon_1.value }.to_string()
                }
            };
            Some((number, label))
        })
        .collect()
}

/// `Exposure Time, Absolute` → `exposure_time_absolute`, as v4l2-ctl makes it.
fn key(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_ascii_lowercase()
}

/// Sets what the configuration says; returns what could not be set, in words. Automatics are switched first: while one is on, the control behind
/// it cannot be set.
pub fn set(node: &Node, wanted: &[(String, ControlValue)]) -> Vec<String> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let known = controls(node);
    let mut in_order: Vec<&(String, ControlValue)> = wanted.iter().collect();
    in_order.sort_by_key(|(name, _)| !name.contains("auto"));
    let set_one = |(name, value): &(String, ControlValue)| -> Result<(), String> {
        let control = find(&known, name)?;
        let number = control.number(value)?;
        let mut set = v4l2_control { id: control.id, value: number };
        node.call(vidioc::VIDIOC_S_CTRL, &mut set)
            .map_err(|e| format!("{name} = {value} is refused by the camera: {e} (is an automatic still on?)"))
    };
    in_order.into_iter().filter_map(|entry| set_one(entry).err()).collect()
}

fn find<'a>(known: &'a [Control], name: &str) -> Result<&'a Control, String> {
    known.iter().find(|control| control.name == name).ok_or_else(|| {
        let nearest = crate::nearest(name, known.iter().map(|control| control.name.as_str()));
        match nearest {
            Some(nearest) => format!("it has no control {name}; did you mean {nearest}?"),
            None => format!("it has no control {name} (`reverie devices` lists those it has)"),
        }
    })
}

impl Control {
    /// `value` as the driver takes it.
    fn number(&self, value: &ControlValue) -> Result<i32, String> {
        let refuse = |takes: String| Err(format!("{} = {value}: it takes {takes}", self.name));
        let number = match (&self.kind, value) {
            (Kind::Other, _) => {
                return Err(format!("{} is no number, switch or menu: it cannot be set here", self.name));
            }
            (Kind::Menu(entries), ControlValue::Text(label)) => {
                match entries.iter().find(|(_, known)| known.eq_ignore_ascii_case(label)) {
                    Some((number, _)) => *number,
                    None => return refuse(self.range()),
                }
            }
            (_, ControlValue::Text(_)) => return refuse(self.range()),
            (Kind::Switch, ControlValue::Switch(on)) => i64::from(*on),
            (_, ControlValue::Switch(_)) => return refuse(self.range()),
            (_, ControlValue::Number(number)) => *number,
        };
        let off_step = number.wrapping_sub(self.least).unsigned_abs() % self.step.max(1) != 0;
        let missing = matches!(&self.kind, Kind::Menu(entries) if entries.iter().all(|(known, _)| *known != number));
        if !(self.least..=self.most).contains(&number) || off_step || missing {
            return refuse(self.range());
        }
        i32::try_from(number).or_else(|_| refuse("smaller numbers".to_owned()))
    }

    /// What it takes, in words.
    pub fn range(&self) -> String {
        match &self.kind {
            Kind::Number if self.step > 1 => format!("{} to {} in steps of {}", self.least, self.most, self.step),
            Kind::Number => format!("{} to {}", self.least, self.most),
            Kind::Switch => "true or false".to_owned(),
            Kind::Menu(entries) => {
                entries.iter().map(|(number, label)| format!("{number} ({label})")).collect::<Vec<_>>().join(", ")
            }
            Kind::Other => "nothing from here".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(kind: Kind, least: i64, most: i64, step: u64) -> Control {
        Control { id: 1, name: "gain".to_owned(), kind, least, most, step }
    }

    #[test]
    fn names_are_those_of_v4l2_ctl() {
        assert_eq!(key("Exposure Time, Absolute"), "exposure_time_absolute");
        assert_eq!(key("White Balance, Automatic"), "white_balance_automatic");
        assert_eq!(key("Zoom (x10)"), "zoom_x10");
    }

    #[test]
    fn values_are_taken_whole_or_refused_with_what_is_taken() {
        let (number, on, text) =
            (ControlValue::Number, ControlValue::Switch(true), |text: &str| ControlValue::Text(text.to_owned()));
        let gain = control(Kind::Number, 0, 100, 5);
        assert_eq!(gain.number(&number(15)), Ok(15));
        for wrong in [number(101), number(-5), number(7), on.clone(), text("high")] {
            assert!(gain.number(&wrong).unwrap_err().contains("0 to 100 in steps of 5"), "{wrong}");
        }
        let switch = control(Kind::Switch, 0, 1, 1);
        assert_eq!((switch.number(&on), switch.number(&number(0))), (Ok(1), Ok(0)));
        let entries = vec![(1, "Manual Mode".to_owned()), (3, "Aperture Priority Mode".to_owned())];
        let menu = control(Kind::Menu(entries), 0, 3, 1);
        assert_eq!((menu.number(&text("manual mode")), menu.number(&number(3))), (Ok(1), Ok(3)));
        assert!(menu.number(&number(2)).unwrap_err().contains("3 (Aperture Priority Mode)"));
        assert!(control(Kind::Other, 0, 0, 0).number(&number(0)).is_err());
    }

    #[test]
    fn a_name_that_is_nearly_right_is_guessed() {
        let known = [control(Kind::Number, 0, 9, 1)];
        assert_eq!(find(&known, "gian").unwrap_err(), "it has no control gian; did you mean gain?");
        assert!(find(&known, "tilt_absolute").unwrap_err().contains("reverie devices"));
    }

    proptest::proptest! {
        #[test]
        fn no_range_of_a_driver_breaks_the_check(least: i64, most: i64, step: u64, value: i64) {
            let _ = control(Kind::Number, least, most, step).number(&ControlValue::Number(value));
        }
    }
}
