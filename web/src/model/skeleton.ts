/**
 * The skeleton of a trace: what the tree and the bars need of every span, in binary columns.
 *
 * Layout: a 32-bit length (little endian), a JSON header of that length, then the columns in the
 * header's order. Every column starts at a multiple of 8 bytes, so that it can be read in place.
 */

/** How a `parent` column says that there is no row of a parent. */
export const NO_PARENT = -1;
export const PARENT_MISSING = -2;
export const PARENT_REMOTE = -3;

export const Flag = {
  events: 1,
  links: 2,
  duplicateId: 4,
  remoteParent: 8,
  logs: 16,
} as const;

export const STATUS_ERROR = 2;
export const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"];
export const KIND_SERVER = 2;
export const KIND_CLIENT = 3;

/** Where spans ran: lanes are threads, or tasks within them, of processes of services. */
export interface LaneName {
  service: string;
  process: string;
  thread: string;
}

export interface Scope {
  name: string;
  version: string;
}

export interface Skeleton {
  spans: number;
  /** Start of the trace, in nanoseconds since the epoch. */
  start: bigint;
  names: string[];
  services: string[];
  lanes: LaneName[];
  scopes: Scope[];
  id: BigUint64Array;
  parent: Int32Array;
  /** Nanoseconds since `start`. */
  startTime: Float64Array;
  /** Nanoseconds; NaN while the span is open. */
  duration: Float64Array;
  name: Uint32Array;
  service: Uint16Array;
  lane: Uint32Array;
  scope: Uint16Array;
  kind: Uint8Array;
  status: Uint8Array;
  level: Uint8Array;
  flags: Uint8Array;
  /** Nanoseconds in which the span waited; 0 when that is unknown. */
  idle: Float64Array;
  /** Events, in the order of their rows. */
  eventRow: Uint32Array;
  eventTime: Float64Array;
  /** 1 for an exception. */
  eventKind: Uint8Array;
}

const TYPES = {
  u8: Uint8Array,
  u16: Uint16Array,
  u32: Uint32Array,
  i32: Int32Array,
  u64: BigUint64Array,
  f64: Float64Array,
} as const;

type ColumnType = keyof typeof TYPES;
type Column = InstanceType<(typeof TYPES)[ColumnType]>;

interface Header {
  version: number;
  spans: number;
  start: string;
  columns: { name: string; type: ColumnType }[];
  names: string[];
  services: string[];
  lanes: LaneName[];
  scopes: Scope[];
  events: number;
}

/** The fields of a skeleton, by the name of their column. */
const COLUMNS: Record<string, [field: keyof Skeleton, type: ColumnType]> = {
  id: ["id", "u64"],
  parent: ["parent", "i32"],
  start: ["startTime", "f64"],
  duration: ["duration", "f64"],
  name: ["name", "u32"],
  service: ["service", "u16"],
  lane: ["lane", "u32"],
  scope: ["scope", "u16"],
  kind: ["kind", "u8"],
  status: ["status", "u8"],
  level: ["level", "u8"],
  flags: ["flags", "u8"],
  idle: ["idle", "f64"],
  event_row: ["eventRow", "u32"],
  event_time: ["eventTime", "f64"],
  event_kind: ["eventKind", "u8"],
};

function align(offset: number): number {
  return (offset + 7) & ~7;
}

/**
 * Return the skeleton in a buffer, as views of that buffer.
 *
 * A column that is not known is passed over; one that is missing is zero.
 *
 * @throws Error if the version is another one, or if the buffer ends early.
 */
export function parseSkeleton(buffer: ArrayBuffer): Skeleton {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))) as Header;
  if (header.version !== 1) {
    throw new Error(`The skeleton has version ${header.version}; this page reads version 1.`);
  }
  const found = new Map<string, Column>();
  let offset = align(4 + length);
  for (const column of header.columns) {
    const rows = column.name.startsWith("event_") ? header.events : header.spans;
    const Type = TYPES[column.type];
    const known = COLUMNS[column.name];
    if (known !== undefined && known[1] === column.type) {
      found.set(column.name, new Type(buffer, offset, rows));
    }
    offset = align(offset + rows * Type.BYTES_PER_ELEMENT);
  }
  const skeleton: Record<string, unknown> = {
    spans: header.spans,
    start: BigInt(header.start),
    names: header.names,
    services: header.services,
    lanes: header.lanes,
    scopes: header.scopes,
  };
  for (const [name, [field, type]] of Object.entries(COLUMNS)) {
    const rows = name.startsWith("event_") ? header.events : header.spans;
    skeleton[field] = found.get(name) ?? new TYPES[type](rows);
  }
  return skeleton as unknown as Skeleton;
}

/** Return the buffer of a skeleton: the reverse of `parseSkeleton`, for fixtures and exports. */
export function encodeSkeleton(skeleton: Skeleton): ArrayBuffer {
  const columns = Object.entries(COLUMNS).map(([name, [field, type]]) => ({ name, field, type }));
  const header: Header = {
    version: 1,
    spans: skeleton.spans,
    start: String(skeleton.start),
    columns: columns.map(({ name, type }) => ({ name, type })),
    names: skeleton.names,
    services: skeleton.services,
    lanes: skeleton.lanes,
    scopes: skeleton.scopes,
    events: skeleton.eventRow.length,
  };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = align(4 + text.length) - 4;
  let size = 4 + length;
  for (const { field } of columns) size = align(size + (skeleton[field] as Column).byteLength);
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(0, length, true);
  bytes.fill(0x20, 4, 4 + length);
  bytes.set(text, 4);
  let offset = 4 + length;
  for (const { field } of columns) {
    const column = skeleton[field] as Column;
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), offset);
    offset = align(offset + column.byteLength);
  }
  return bytes.buffer;
}

/** Return the span id of a row as 16 hexadecimal digits. */
export function hexId(skeleton: Pick<Skeleton, "id">, row: number): string {
  return skeleton.id[row]!.toString(16).padStart(16, "0");
}

/**
 * Return the end of every span and of the trace, in nanoseconds since its start.
 *
 * An open span ends with the trace, to whose end it counts with its start; a negative duration is
 * none.
 */
export function endTimes(skeleton: Pick<Skeleton, "spans" | "startTime" | "duration">): {
  ends: Float64Array;
  end: number;
} {
  const { spans, startTime, duration } = skeleton;
  const ends = new Float64Array(spans);
  const open: number[] = [];
  let end = 0;
  for (let row = 0; row < spans; row++) {
    const length = duration[row]!;
    let last = startTime[row]!;
    if (length > 0) last += length;
    else if (Number.isNaN(length)) open.push(row);
    ends[row] = last;
    if (last > end) end = last;
  }
  for (const row of open) ends[row] = end;
  return { ends, end };
}
