/** Encodes a client's MQTT packets. Checks nothing, since attacks need malformed ones too. */

/** Protocol levels of MQTT, and those by which a bridge of Mosquitto announces itself. */
export const LEVELS = new Map([
    [3, "MQTT 3.1"],
    [4, "MQTT 3.1.1"],
    [5, "MQTT 5"],
    [0x83, "MQTT 3.1 as a bridge"],
    [0x84, "MQTT 3.1.1 as a bridge"],
]);

type Text = string | Buffer;

export interface Connect {
    level: number;
    /** The protocol's name. Default: the level's. */
    protocol?: Text;
    clientId?: Text;
    clean?: boolean;
    username?: Text;
    password?: Text;
    will?: { topic: Text; payload: Text; qos?: number; retain?: boolean; properties?: Buffer[] };
    properties?: Buffer[];
}

export interface Publish {
    level: number;
    topic: Text;
    payload: Text;
    qos?: number;
    retain?: boolean;
    dup?: boolean;
    properties?: Buffer[];
}

export interface Subscribe {
    level: number;
    filters: Text[];
    /** QoS, and in MQTT 5 No Local (4), Retain As Published (8) and Retain Handling (16, 32). */
    options?: number;
    properties?: Buffer[];
}

export function connect(one: Connect): Buffer {
    const { level, will, username, password, clean = true } = one;
    const flags =
        (username === undefined ? 0 : 0x80) |
        (password === undefined ? 0 : 0x40) |
        (will ? 0x04 | ((will.qos ?? 0) << 3) | (will.retain ? 0x20 : 0) : 0) |
        (clean ? 2 : 0);
    return packet(
        0x10,
        text(one.protocol ?? ((level & 0x7f) === 3 ? "MQIsdp" : "MQTT")),
        // A keepalive of a minute.
        Buffer.from([level, flags, 0, 60]),
        propertiesOf(level, one.properties),
        text(one.clientId ?? ""),
        ...(will
            ? [propertiesOf(level, will.properties), text(will.topic), text(will.payload)]
            : []),
        ...[username, password].flatMap((field) => (field === undefined ? [] : [text(field)])),
    );
}

/** Has the packet identifier 1, unless its QoS is 0. */
export function publish({ level, topic, payload, qos = 0, ...rest }: Publish): Buffer {
    return packet(
        0x30 | (rest.dup ? 8 : 0) | (qos << 1) | (rest.retain ? 1 : 0),
        text(topic),
        qos === 0 ? Buffer.alloc(0) : ID,
        propertiesOf(level, rest.properties),
        Buffer.from(payload),
    );
}

export function subscribe({ level, filters, options = 0, properties }: Subscribe): Buffer {
    const asked = filters.flatMap((filter) => [text(filter), Buffer.from([options])]);
    return packet(0x82, ID, propertiesOf(level, properties), ...asked);
}

export function unsubscribe(level: number, filter: Text): Buffer {
    return packet(0xa2, ID, propertiesOf(level), text(filter));
}

export const PINGREQ = Buffer.from([0xc0, 0]);

/** Properties of MQTT 5. */
export const property = {
    responseTopic: (topic: Text) => Buffer.concat([Buffer.from([0x08]), text(topic)]),
    subscriptionIdentifier: (id: number) => Buffer.concat([Buffer.from([0x0b]), variable(id)]),
    sessionExpiry: (seconds: number) => Buffer.concat([Buffer.from([0x11]), four(seconds)]),
    authenticationMethod: (method: Text) => Buffer.concat([Buffer.from([0x15]), text(method)]),
    authenticationData: (data: Text) => Buffer.concat([Buffer.from([0x16]), text(data)]),
    willDelay: (seconds: number) => Buffer.concat([Buffer.from([0x18]), four(seconds)]),
    topicAlias: (alias: number) => Buffer.from([0x23, alias >> 8, alias & 0xff]),
};

/** A packet of any first byte. */
export function packet(first: number, ...parts: Buffer[]): Buffer {
    const body = Buffer.concat(parts);
    return Buffer.concat([Buffer.from([first]), variable(body.length), body]);
}

const ID = Buffer.from([0, 1]);

function propertiesOf(level: number, properties: Buffer[] = []): Buffer {
    if (level !== 5) return Buffer.alloc(0);
    const all = Buffer.concat(properties);
    return Buffer.concat([variable(all.length), all]);
}

function text(value: Text): Buffer {
    const bytes = Buffer.from(value as string);
    return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

function four(number: number): Buffer {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(number);
    return bytes;
}

function variable(number: number): Buffer {
    const bytes: number[] = [];
    do {
        bytes.push((number & 0x7f) | (number > 0x7f ? 0x80 : 0));
        number >>>= 7;
    } while (number > 0);
    return Buffer.from(bytes);
}
