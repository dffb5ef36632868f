//! Remote control as an operator meets it: the real `remote::run`, a real Mosquitto, a real second client.

mod announce;
mod broker;
mod command;
mod ctl;
mod device;
mod directed;
mod doctor;
mod golden;
mod hardened;
mod kept;
mod malformed;
mod model;
mod operator;
mod outage;
mod reference;
mod secure;
mod wrong_port;
