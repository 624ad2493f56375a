/**
 * Input for a WebSocket port: HTTP that is no valid upgrade, invalid frames, and valid frames with malformed
 * MQTT in them. Frames and their fields are RFC 6455's.
 */
import fc from "fast-check";
import { malformed } from "./mutations.ts";

export const UPGRADE = [
    "GET /mqtt HTTP/1.1",
    "Host: appkata-fuzz.fly.dev",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: mqtt",
];

export interface Frame {
    fin: boolean;
    /** Three bits. */
    reserved: number;
    /** Four bits. 2 is binary, as MQTT's must be; 9 is a ping. */
    opcode: number;
    masked: boolean;
    /** The value of the length field; by default the payload's length. */
    declared?: bigint;
    /** Extra bytes of the length field; by default as few as needed. */
    lengthBytes?: 0 | 2 | 8 | undefined;
    payload: Buffer;
}

const MASK = Buffer.from("37fa213d", "hex");

function frameOf(frame: Frame): Buffer {
    const { fin, reserved, opcode, masked, payload } = frame;
    const declared = frame.declared ?? BigInt(payload.length);
    const needed = declared < 126n ? 0 : declared < 65_536n ? 2 : 8;
    const lengthBytes = frame.lengthBytes ?? needed;
    const short = lengthBytes === 0 ? Number(declared & 0x7fn) : lengthBytes === 2 ? 126 : 127;
    const long = Buffer.alloc(8);
    long.writeBigUInt64BE(BigInt.asUintN(64, declared));
    return Buffer.concat([
        Buffer.from([(fin ? 0x80 : 0) | (reserved << 4) | opcode, (masked ? 0x80 : 0) | short]),
        long.subarray(8 - lengthBytes),
        ...(masked ? [MASK, payload.map((byte, at) => byte ^ MASK[at % 4]!)] : [payload]),
    ]);
}

/** MQTT in one valid frame. */
export function binary(payload: Buffer): Buffer {
    return frameOf({ fin: true, reserved: 0, opcode: 2, masked: true, payload });
}

const GOOD = { fin: true, reserved: 0, opcode: 2, masked: true };
const PINGREQ = Buffer.from([0xc0, 0]);
const payload = fc.oneof(
    fc.constant(PINGREQ),
    malformed,
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
);

export const ping = frameOf({ ...GOOD, opcode: 9, payload: Buffer.alloc(125, "p") });

/** A valid frame with one mistake, or arbitrary values in its fields. */
const badFrame: fc.Arbitrary<Frame> = fc.oneof(
    fc.record({
        ...{ payload, masked: fc.boolean(), fin: fc.boolean() },
        ...{ reserved: fc.nat(7), opcode: fc.nat(15) },
    }),
    payload.map((bytes) => ({ ...GOOD, masked: false, payload: bytes })),
    fc.tuple(payload, fc.integer({ min: 1, max: 7 })).map(([bytes, reserved]) => {
        return { ...GOOD, reserved, payload: bytes };
    }),
    // Text, continuations of nothing, undefined opcodes; and close, ping and pong beyond their limit.
    fc
        .tuple(
            payload,
            fc.constantFrom(0, 1, 3, 7, 8, 9, 10, 11, 15),
            fc.boolean(),
            fc.constantFrom(0, 124, 126, 3000),
        )
        .map(([bytes, opcode, fin, more]) => {
            return { ...GOOD, opcode, fin, payload: Buffer.concat([bytes, Buffer.alloc(more)]) };
        }),
    // A length other than the payload's, up to one with the bit that must be 0.
    fc
        .tuple(
            payload,
            fc.constantFrom(1n, 125n, 126n, 65_535n, 65_536n, 2n ** 28n, 2n ** 32n, 2n ** 63n - 1n),
            fc.constantFrom(0n, 2n ** 63n),
            fc.constantFrom(undefined, 8 as const),
            fc.constantFrom(2, 9),
        )
        .map(([bytes, length, top, lengthBytes, opcode]) => {
            return { ...GOOD, opcode, declared: length + top, lengthBytes, payload: bytes };
        }),
    // A length field longer than needed.
    fc.tuple(payload, fc.constantFrom(2 as const, 8 as const)).map(([bytes, lengthBytes]) => {
        return { ...GOOD, lengthBytes, payload: bytes };
    }),
);

/** Malformed MQTT in valid frames, whole or in pieces, with pings in between. */
const goodFrames = (emptyToo: boolean) =>
    fc
        .tuple(malformed, fc.array(fc.nat(999), { maxLength: 4 }), fc.boolean(), fc.boolean())
        .map(([packet, shares, fragments, pings]) => {
            const cuts = shares.map((share) => Math.floor((share * packet.length) / 1000));
            const ends = [...cuts.toSorted((a, b) => a - b), packet.length];
            const pieces = ends
                .map((end, at) => packet.subarray(at === 0 ? 0 : ends[at - 1], end))
                .filter((piece) => emptyToo || piece.length > 0);
            return Buffer.concat(
                pieces.flatMap((piece, at) => {
                    const last = at === pieces.length - 1;
                    const kind = fragments ? { fin: last, opcode: at === 0 ? 2 : 0 } : {};
                    return [
                        frameOf({ ...GOOD, ...kind, payload: piece }),
                        ...(pings && !last ? [ping] : []),
                    ];
                }),
            );
        });

/** Some are truncated. */
const badFrames = (emptyToo: boolean) =>
    fc
        .tuple(
            fc.array(badFrame, { minLength: 1, maxLength: 4 }),
            fc.option(fc.nat(999), { freq: 4, nil: undefined }),
        )
        .map(([frames, share]) => {
            const bytes = Buffer.concat(
                frames.filter(({ payload }) => emptyToo || payload.length > 0).map(frameOf),
            );
            if (share === undefined) return bytes;
            return bytes.subarray(0, Math.max(1, Math.floor((share * bytes.length) / 1000)));
        });

/**
 * Input after the connection has become a WebSocket.
 *
 * @param emptyToo whether frames without content are included
 */
export function malformedFrames(emptyToo: boolean): fc.Arbitrary<Buffer> {
    return fc.oneof(goodFrames(emptyToo), badFrames(emptyToo)).filter((bytes) => bytes.length > 0);
}

const line = fc.oneof(
    fc.constantFrom(...UPGRADE),
    fc.constantFrom(
        "GET / HTTP/1.0",
        "POST /mqtt HTTP/1.1",
        "GET /mqtt HTTP/9.9",
        "GET /../../etc/passwd HTTP/1.1",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: chunked",
        "Sec-WebSocket-Key:",
        `Sec-WebSocket-Key: ${"A".repeat(4000)}`,
        "Sec-WebSocket-Protocol: none, of, ours",
        `Sec-WebSocket-Protocol: ${"mqtt,".repeat(400)}mqtt`,
        "Sec-WebSocket-Version: 99",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99",
        "Upgrade: h2c",
        `Cookie: ${"x".repeat(20_000)}`,
        `GET /${"x".repeat(20_000)} HTTP/1.1`,
        " folded: header",
        ": no name",
        "",
    ),
    fc.string({ unit: "binary-ascii", maxLength: 60 }),
);

/** Input in place of an upgrade. */
export const malformedUpgrade: fc.Arbitrary<Buffer> = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
    malformed,
    fc
        .tuple(
            fc.oneof(fc.shuffledSubarray(UPGRADE), fc.constant(UPGRADE)),
            fc.array(fc.tuple(fc.nat(8), line), { minLength: 1, maxLength: 4 }),
            fc.constantFrom("\r\n", "\r\n", "\n", "\r", "\0"),
            fc.constantFrom(...["", "\r\n"].map((end) => `${end}${end}`), "\r\n"),
        )
        .map(([lines, added, between, end]) => {
            const all = [...lines];
            for (const [where, one] of added) all.splice(where, where % 2, one);
            return Buffer.from(`${all.join(between)}${end}`, "latin1");
        }),
);
