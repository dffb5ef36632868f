//! stub
pub struct Hotplug;
impl Hotplug {
    pub fn listen(_: &'static str) -> Hotplug {
        Hotplug
    }
    pub fn happened(&mut self) -> bool {
        false
    }
}
