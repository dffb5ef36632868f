// What the device answers, as far as the page uses it. deploy/reference/mqtt.md has all of it.

export interface Schema {
  type?: string | string[];
  description?: string;
  minimum?: number;
  maximum?: number;
  default?: Value;
  enum?: string[];
  'x-step'?: number;
  'x-unit'?: string;
  'x-scope'?: 'look' | 'device';
  'x-section'?: string;
  'x-rare'?: boolean;
}

export type Value = number | string | boolean;
export type Look = Record<string, Value>;

export interface Thumbnails {
  address: string;
  side: number;
  across: number;
  names: string[];
  channels: number;
}

export interface Layer {
  name: string;
  pack: string;
  channels: number;
  stride: number;
  look?: string | null;
  groups: Record<string, string>;
  words: string[];
  thumbnails: Thumbnails | null;
}

export interface Scene {
  name: string;
  saved: boolean;
  about: string | null;
  emoji?: string | null;
  thumbnail: string | null;
  params: Look;
}

export interface Hours {
  timezone?: string;
  exceptions?: Record<string, string>;
  outside: string;
  configured: boolean;
  [day: string]: unknown;
}

export interface Action {
  name: string;
  about: string;
  takes: string[];
}

export interface About {
  device: string;
  versions: { reverie: string };
  provider: string;
  layers: Layer[];
  live_neurons: string[];
  accepts_guides: boolean;
  scenes: Scene[];
  playlist: string[];
  groups: string[];
  hours?: Hours | null;
  actions: Action[];
  schema: { properties: Record<string, Schema> };
  preview: boolean;
}

export interface Ramp {
  to: number;
  left: number;
}

export interface State {
  scene: string | null;
  ramps: Record<string, Ramp>;
  open: boolean | null;
  next_hours?: { open: boolean; at: string } | null;
  pending: number;
  undo?: number;
  [name: string]: unknown;
}

export interface Guess {
  name: string;
  confidence: number;
  growth?: number;
}

export interface Telemetry {
  fps: number;
  picture_fps: number;
  frame_ms_p50: number;
  latency_ms?: number;
  provider: string;
  width: number;
  height: number;
  octaves: number;
  steps: number;
  camera: string;
  display: string;
  broker: string;
  temperature?: number;
  memory_mib: number;
  uptime_s: number;
  recognition?: { seen?: Guess[]; dreamed?: Guess[] };
  [name: string]: unknown;
}

export interface Finding {
  about: string;
  verdict: 'ok' | 'warning' | 'failure';
  seen: string;
  remedy?: string;
}

export interface LogLine {
  /** Milliseconds since 1970. */
  time: number;
  level: string;
  message: string;
}

export interface History {
  interval: number;
  fps: number[];
  picture_fps: number[];
  latency_ms: (number | null)[];
  temperature: (number | null)[];
  memory_mib: number[];
}

export interface Session {
  device: string;
  role: 'viewer' | 'director';
  protected: boolean;
  can_set_password: boolean;
}

export interface Reply {
  ok: boolean;
  errors: { param: string | null; message: string }[];
  state?: State;
}

export interface Store {
  session: Session | null;
  about: About | null;
  state: State | null;
  telemetry: Telemetry | null;
  health: Finding[];
  log: LogLine[];
  connected: boolean;
  picture: ImageBitmap | null;
  message: { text: string; kind: 'error' | 'done' } | null;
  over: string;
  language: string;
}
