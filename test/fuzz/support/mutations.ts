/**
 * Mutated MQTT packets of every kind and version: what a broken client, a client of another protocol, or an
 * attacker may send.
 */
import fc from "fast-check";
import { generate, type Packet } from "mqtt-packet";

const id = { messageId: 7 };
const will = { topic: "fuzz/will", payload: Buffer.from("gone"), qos: 1, retain: false } as const;
const login = { clientId: "fuzz", clean: true, keepalive: 60, username: "fuzz" } as const;
const password = Buffer.from("not it");
const publish = { topic: "fuzz/topic", payload: "payload", dup: false, retain: false } as const;
const filters = [{ topic: "fuzz/+/#", qos: 1 }] as const;
const userProperties = { a: "b" };

/** Packets of 3.1.1 and, with properties, of 5.0, including those that only a broker sends. */
const PACKETS: [Packet, 4 | 5][] = [
    [{ cmd: "connect", protocolVersion: 4, protocolId: "MQTT", ...login, password, will }, 4],
    [{ cmd: "connect", protocolVersion: 3, protocolId: "MQIsdp", ...login, password }, 4],
    [
        {
            ...{ cmd: "connect", protocolVersion: 5, protocolId: "MQTT", ...login, password },
            will: { ...will, properties: { willDelayInterval: 1, contentType: "text" } },
            properties: {
                ...{ sessionExpiryInterval: 9, receiveMaximum: 4, maximumPacketSize: 999 },
                ...{ topicAliasMaximum: 3, requestProblemInformation: true, userProperties },
            },
        },
        5,
    ],
    [{ cmd: "connack", returnCode: 0, sessionPresent: false }, 4],
    [{ cmd: "publish", qos: 0, ...publish }, 4],
    [{ cmd: "publish", qos: 1, ...publish, ...id }, 4],
    [{ cmd: "publish", qos: 2, ...publish, ...id }, 4],
    [
        {
            ...{ cmd: "publish", qos: 1, ...publish, ...id },
            properties: {
                ...{ topicAlias: 2, messageExpiryInterval: 5, responseTopic: "fuzz/answer" },
                ...{ correlationData: Buffer.from("c"), contentType: "text", userProperties },
            },
        },
        5,
    ],
    [{ cmd: "puback", ...id }, 4],
    [{ cmd: "puback", ...id, reasonCode: 0x10, properties: { reasonString: "r" } }, 5],
    [{ cmd: "pubrec", ...id }, 4],
    [{ cmd: "pubrel", ...id }, 4],
    [{ cmd: "pubcomp", ...id }, 4],
    [{ cmd: "subscribe", subscriptions: [...filters], ...id }, 4],
    [
        {
            ...{ cmd: "subscribe", subscriptions: [{ ...filters[0], nl: true, rap: true, rh: 1 }] },
            ...{ ...id, properties: { subscriptionIdentifier: 3, userProperties } },
        },
        5,
    ],
    [{ cmd: "suback", granted: [0], ...id }, 4],
    [{ cmd: "unsubscribe", unsubscriptions: ["fuzz/+/#"], ...id }, 4],
    [{ cmd: "unsubscribe", unsubscriptions: ["fuzz/+/#"], ...id, properties: {} }, 5],
    [{ cmd: "pingreq" }, 4],
    [{ cmd: "disconnect" }, 4],
    [{ cmd: "disconnect", reasonCode: 4, properties: { sessionExpiryInterval: 1 } }, 5],
    [
        {
            ...{ cmd: "auth", reasonCode: 0x18 },
            properties: { authenticationMethod: "m", authenticationData: Buffer.from("d") },
        },
        5,
    ],
];

const WHOLE = PACKETS.map(([packet, protocolVersion]) => generate(packet, { protocolVersion }));

/** A position in a buffer as a fraction of its length, so that it shrinks along. */
const place = fc.integer({ min: 0, max: 999 });
const at = (share: number, length: number) => Math.floor((share * length) / 1000);
const bytes = (maxLength: number) =>
    fc.uint8Array({ minLength: 1, maxLength }).map((array) => Buffer.from(array));

type Mutation = (packet: Buffer) => Buffer;

const replaceByte = fc
    .tuple(place, fc.constantFrom(0x00, 0x01, 0x7f, 0x80, 0xff, undefined), fc.nat(255))
    .map(([where, edge, any]): Mutation => {
        return (packet) => {
            const changed = Buffer.from(packet);
            changed[at(where, packet.length)] = edge ?? any;
            return changed;
        };
    });
const truncate = place.map((where): Mutation => {
    return (packet) => packet.subarray(0, Math.max(1, at(where, packet.length)));
});
const insert = fc.tuple(place, bytes(16)).map(([where, added]): Mutation => {
    return (packet) => {
        const index = at(where, packet.length);
        return Buffer.concat([packet.subarray(0, index), added, packet.subarray(index)]);
    };
});
const remove = fc.tuple(place, fc.integer({ min: 1, max: 8 })).map(([where, count]): Mutation => {
    return (packet) => {
        const index = at(where, packet.length);
        return Buffer.concat([packet.subarray(0, index), packet.subarray(index + count)]);
    };
});
/** Changes type and flags, and keeps the rest. */
const otherHeader = fc.nat(255).map((first): Mutation => {
    return (packet) => Buffer.concat([Buffer.from([first]), packet.subarray(1)]);
});
/** Writes a remaining length that is wrong, huge, or longer than the allowed four bytes. */
const otherLength = fc
    .oneof(
        bytes(1),
        fc.constantFrom(
            ...["00", "7f", "ff7f", "ffff7f", "ffffff7f", "ffffffff", "ffffffff7f", "80808000"].map(
                (hex) => Buffer.from(hex, "hex"),
            ),
        ),
    )
    .map((length): Mutation => {
        return (packet) => Buffer.concat([packet.subarray(0, 1), length, packet.subarray(2)]);
    });
/** Makes a two-byte length inside the packet, of a string or a property, reach beyond its end. */
const innerLength = fc
    .tuple(place, fc.constantFrom(0xffff, 0x7fff, 0x0100))
    .map(([where, value]): Mutation => (packet) => {
        if (packet.length < 4) return Buffer.concat([packet, Buffer.from([0xff, 0xff])]);
        const changed = Buffer.from(packet);
        changed.writeUInt16BE(value, 2 + at(where, packet.length - 3));
        return changed;
    });
const append = fc.constantFrom(...WHOLE).map((other): Mutation => {
    return (packet) => Buffer.concat([packet, other]);
});

const mutation = fc.oneof(
    ...[replaceByte, truncate, insert, remove, otherHeader, otherLength, innerLength, append],
);

/** Input in place of a packet. */
export const malformed: fc.Arbitrary<Buffer> = fc.oneof(
    { weight: 1, arbitrary: bytes(64) },
    {
        weight: 15,
        arbitrary: fc
            .tuple(
                fc.constantFrom(...WHOLE),
                fc.array(mutation, { minLength: 1, maxLength: 3, size: "max" }),
            )
            .map(([packet, mutations]) => mutations.reduce((now, next) => next(now), packet))
            .filter((packet) => packet.length > 0 && !WHOLE.some((whole) => whole.equals(packet))),
    },
);
