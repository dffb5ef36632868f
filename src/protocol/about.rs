//! The description of a device in `about`, enough to build a user interface from.

use serde_json::{Map, Value as Json, json};

use super::{DeviceId, schema};
use crate::director::{self, ACTIONS, Director};
use crate::director_handle::DirectorHandle;
use crate::pack::{Catalogue, FORMAT, LIVE};
use crate::params;

/// The payload of `<base>/about`.
pub fn about(device: &DeviceId, handle: &DirectorHandle) -> Json {
    let catalogue = handle.catalogue();
    json!({
        "device": device.as_str(),
        "versions": {"reverie": env!("CARGO_PKG_VERSION"), "pack_format": FORMAT},
        "provider": handle.telemetry().provider.to_string(),
        "packs": packs(catalogue),
        "layers": layers(catalogue),
        "live_neurons": LIVE,
        "accepts_guides": catalogue.guides().accepts(),
        "scenes": handle.ask(scenes),
        "playlist": handle.ask(|director| json!(director.playlist())),
        "hours": handle.ask(Director::describe_hours),
        "groups": handle.ask(|director| director.groups().map(str::to_owned).collect::<Vec<_>>()),
        "actions": handle.ask(actions),
        "schema": params::json_schema(catalogue),
        "set_schema": handle.ask(|director| schema::set(&director.scenes().map(|(name, ..)| name.as_str()).collect::<Vec<_>>())),
        "state_schema": schema::state(catalogue),
        "reply_schema": schema::reply(),
    })
}

/// Every scene, by the name that `set/scene` takes; of those that ship what is to be seen, and where the web page has a picture of it.
fn scenes(director: &Director) -> Vec<Json> {
    let scenes = director.scenes().map(|(name, params, saved)| {
        let ships = !director.is_own_scene(name);
        let about = ships.then(|| director::shipped_about(name));
        let thumbnail = ships.then(|| format!("/scenes/{}", director::shipped_picture(name)));
        json!({"name": name, "saved": saved, "about": about, "thumbnail": thumbnail, "params": params})
    });
    scenes.collect()
}

/// The actions of this device, by their names below `do/`.
fn actions(director: &Director) -> Vec<Json> {
    let can = director.capabilities();
    let there = ACTIONS.iter().filter(|action| match action.name {
        "snapshot" => can.snapshots,
        "restart" => can.restart,
        _ => true,
    });
    there.map(|action| json!({"name": action.name, "about": action.about, "takes": action.takes})).collect()
}

fn packs(catalogue: &Catalogue) -> Vec<Json> {
    let describe = |pack: &crate::pack::Manifest| json!({"name": pack.name, "network": pack.network, "source": pack.source, "licence": pack.licence});
    catalogue.packs().map(|(_, pack)| describe(pack)).collect()
}

/// Every layer under the name that `set/layer` takes, with the neuron groups and the commonest words that `set/neurons` takes.
fn layers(catalogue: &Catalogue) -> Vec<Json> {
    let named = catalogue.packs().flat_map(|(_, pack)| pack.layers.iter().map(move |layer| (pack, layer)));
    let describe = |(name, (pack, layer)): (String, (&crate::pack::Manifest, &crate::pack::Layer))| {
        let groups: Map<String, Json> =
            layer.groups.iter().map(|(group, neurons)| (group.clone(), neurons.as_str().into())).collect();
        json!({
            "name": name,
            "pack": pack.name,
            "channels": layer.channels,
            "stride": layer.stride,
            "step": layer.step,
            "look": layer.look,
            "groups": groups,
            "words": layer.vocabulary.common(),
            "thumbnails": thumbnails(pack, layer),
        })
    };
    catalogue.layer_names().into_iter().zip(named).map(describe).collect()
}

/// Where the web page has pictures of what the layer's neurons dream of; null where none were drawn.
fn thumbnails(pack: &crate::pack::Manifest, layer: &crate::pack::Layer) -> Json {
    let Some((atlas, drawn)) = pack.atlas.as_ref().and_then(|atlas| Some((atlas, atlas.layer(&layer.name)?))) else {
        return Json::Null;
    };
    // Those of channels need no name: they come last, in order.
    let is_channel = |tile: &String| tile.parse::<usize>().is_ok();
    let named: Vec<&String> = drawn.tiles.iter().take_while(|tile| !is_channel(tile)).collect();
    json!({
        "address": format!("/atlas/{}/{}", pack.name, drawn.file),
        "side": atlas.side,
        "across": atlas.across,
        "names": named,
        "channels": drawn.tiles.len() - named.len(),
    })
}
