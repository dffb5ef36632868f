"""Run by `run` inside Home Assistant's Python: sets Home Assistant up, and directs the mirror through its services."""

import asyncio
import collections
import json
import logging
import sys
import tempfile
import time

from homeassistant import bootstrap, const, runner
from homeassistant.helpers import device_registry, entity_registry

PORT = int(sys.argv[1])
PATIENCE = 60
COMPLAINTS = []


class Listener(logging.Handler):
    def emit(self, record):
        if record.levelno >= logging.WARNING and "mqtt" in record.name:
            COMPLAINTS.append(f"{record.levelname} {record.name}: {record.getMessage()}")


async def until(what, check):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if value := check():
            return value
        await asyncio.sleep(0.05)
    raise SystemExit(f"FAILED: {what} did not come within {PATIENCE} s\n" + "\n".join(COMPLAINTS))


async def start(folder):
    config = runner.RuntimeConfig(config_dir=folder, skip_pip=False, verbose=False)
    hass = await bootstrap.async_setup_hass(config)
    logging.getLogger().addHandler(Listener())
    await hass.async_start()
    return hass


async def main():
    folder = tempfile.mkdtemp()
    open(folder + "/configuration.yaml", "w").write("logger:\n  default: warning\n")
    hass = await start(folder)
    print(f"Home Assistant {const.__version__}, Python {sys.version.split()[0]}")
    flow = await hass.config_entries.flow.async_init("mqtt", context={"source": "user"})
    broker = {"broker": "127.0.0.1", "port": PORT}
    # Newer versions have a section of further settings.
    fields = [str(field) for field in flow["data_schema"].schema]
    if "other_settings" in fields:
        broker["other_settings"] = {"set_client_cert": False, "set_ca_cert": "off", "tls_insecure": False}
    print("its form asks for:", ", ".join(fields))
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"], broker)
    if flow["type"] != "create_entry":
        raise SystemExit(f"FAILED: the MQTT integration is not set up: {flow}")

    from homeassistant.components import mqtt

    heard = {}
    told = {}
    replies = {}

    async def hear(topic, into):
        await mqtt.async_subscribe(hass, topic, lambda m: into.__setitem__(m.topic, m.payload))

    await hear("reverie/mirror-1/state", heard)
    await hear("homeassistant/device/+/config", told)
    await hear("reverie/mirror-1/reply", replies)
    topic = "homeassistant/device/reverie-mirror-1/config"
    payload = json.loads(await until("the discovery message", lambda: told.get(topic)))

    # Home Assistant's own schemas.
    from homeassistant.components.mqtt.schemas import DEVICE_DISCOVERY_SCHEMA

    DEVICE_DISCOVERY_SCHEMA(json.loads(json.dumps(payload)))
    for key, component in payload["components"].items():
        platform = component["platform"]
        module = __import__(f"homeassistant.components.mqtt.{platform}", fromlist=["DISCOVERY_SCHEMA"])
        module.DISCOVERY_SCHEMA(dict(component, device=payload["device"], origin=payload["origin"]))
    print(f"its schemas accept the {len(payload['components'])} components, {len(json.dumps(payload))} bytes")

    registry = entity_registry.async_get(hass)

    def entities():
        return {e.unique_id: e for e in registry.entities.values() if e.platform == "mqtt"}

    wanted = {c["unique_id"]: c for c in payload["components"].values()}
    await until("every entity", lambda: set(wanted) == set(entities()))
    # Those that are switched off at first are switched on, to see them too.
    for entity in list(entities().values()):
        if entity.disabled_by:
            registry.async_update_entity(entity.entity_id, disabled_by=None)
    await hass.config_entries.async_reload(hass.config_entries.async_entries("mqtt")[0].entry_id)

    def state_of(key):
        entity = entities().get(payload["components"][key]["unique_id"])
        return hass.states.get(entity.entity_id) if entity else None

    for key, component in payload["components"].items():
        if component["platform"] in ("button", "image") or key in ("scene", "temperature"):
            await until(f"{key} to be there", lambda: state_of(key) is not None and state_of(key).state != "unavailable")
        else:
            await until(f"a value of {key}", lambda: state_of(key) is not None and state_of(key).state not in ("unknown", "unavailable"))
    platforms = collections.Counter(c["platform"] for c in payload["components"].values())
    print("entities:", ", ".join(f"{count} {platform}" for platform, count in sorted(platforms.items())))

    def mirror():
        return json.loads(heard["reverie/mirror-1/state"])

    async def call(key, service, **data):
        domain = payload["components"][key]["platform"]
        data["entity_id"] = entities()[payload["components"][key]["unique_id"]].entity_id
        await hass.services.async_call(domain, service, data, blocking=True)

    async def changed(key, value, shown):
        await until(f"{key} = {value} at the mirror", lambda: mirror()[key] == value)
        await until(f"{key} = {shown} in Home Assistant", lambda: state_of(key).state == shown)
        print(f"{key}: {value} at the mirror, {shown} in Home Assistant")

    layers = payload["components"]["layer"]["options"]
    # Every number, switch, select and text there is.
    for key, component in payload["components"].items():
        match component["platform"]:
            case "number":
                value = component["max"] if key != "octaves" else component["min"] + 2
                value = int(value) if float(value).is_integer() else value
                await call(key, "set_value", value=value)
                await until(f"{key} at the mirror", lambda: mirror()[key] == value)
                await until(f"{key} in Home Assistant", lambda: float(state_of(key).state) == value)
            case "switch":
                for service, on in (("turn_on", True), ("turn_off", False)):
                    await call(key, service)
                    await changed(key, on, "on" if on else "off")
            case "select":
                option = component["options"][1]
                await call(key, "select_option", option=option)
                await changed(key, option, option)
                if key == "play":
                    await call(key, "select_option", option="off")
                    await changed(key, "off", "off")
    print("every number was set and came back")
    await call("layer", "select_option", option=layers[0])
    await changed("layer", layers[0], layers[0])
    await call("neurons", "set_value", value="3,5:0.5")
    await changed("neurons", "3,5:0.5", "3,5:0.5")
    await call("scene", "select_option", option="calm")
    await changed("scene", "calm", "calm")
    for button, scene in (("next_scene", "wild"), ("previous_scene", "calm"), ("undo", "wild")):
        await call(button, "press")
        await changed("scene", scene, scene)
    before = state_of("picture").state
    await call("snapshot", "press")
    await until("a picture", lambda: state_of("picture").state != before)
    from homeassistant.components.image import DOMAIN as IMAGES

    image = hass.data["image"].get_entity(state_of("picture").entity_id) if "image" in hass.data else None
    if image is not None:
        picture = await image.async_image()
        assert picture and picture[:2] == b"\xff\xd8", "no JPEG"
        print(f"picture: a JPEG of {len(picture)} bytes")
    for button in ("identify", "reset"):
        await asyncio.sleep(1)
        replies.clear()
        await call(button, "press")
        await until(f"an answer to {button}", lambda: replies)
        assert json.loads(replies.popitem()[1])["ok"], button
        print(f"{button}: done")

    await mqtt.async_publish(hass, "reverie/mirror-1/do/save-scene", '{"name": "third"}')
    await until("a scene more", lambda: {"calm", "wild", "third"} <= set(state_of("scene").attributes["options"]))
    await until("its name", lambda: state_of("scene").state == "third")
    print("a saved scene appears as an option")

    print("ASK power-cut", flush=True)
    await until("unavailable", lambda: state_of("intensity").state == "unavailable")
    print("ASK start", flush=True)
    await until("available again", lambda: state_of("intensity").state != "unavailable")
    print("a mirror that loses its power is unavailable, and there again after it")

    # Its birth message, as after a restart of Home Assistant.
    told.clear()
    await mqtt.async_publish(hass, "homeassistant/status", "online", qos=1)
    await until("the discovery message again", lambda: told.get(topic))
    print("told again after the birth message")

    print("ASK start-without", flush=True)
    await until("the entities to go", lambda: not entities())
    entry = hass.config_entries.async_entries("mqtt")[0].entry_id
    devices = device_registry.async_get(hass)
    await until("the device to go", lambda: not device_registry.async_entries_for_config_entry(devices, entry))
    print("switched off, it is gone from Home Assistant")

    if COMPLAINTS:
        raise SystemExit("FAILED: Home Assistant complains:\n" + "\n".join(COMPLAINTS))
    print("no warning of Home Assistant about any of it")
    await hass.async_stop(force=True)


asyncio.run(main())
