/**
 * A plain MQTT port on loopback for clients without TLS and passwords. Connections go to the deployed broker
 * over TLS, with user and password added to their CONNECT. Everything else passes unchanged.
 */
import { createServer, type AddressInfo, type Socket } from "node:net";
import { connect } from "node:tls";

export interface Behind {
    address: string;
    port: number;
    hostname: string;
    caPem: string;
    username: string;
    password: string;
}

export interface PlainFront {
    host: string;
    port: number;
    close(): void;
}

/** @param listen an address of 127.0.0.0/8, and a port or 0 for a free one */
export async function plainFront(
    behind: Behind,
    listen: { host: string; port: number } = { host: "127.0.0.1", port: 0 },
): Promise<PlainFront> {
    const open = new Set<Socket>();
    const server = createServer({ noDelay: true }, (client) => {
        open.add(client);
        client.on("error", () => client.destroy());
        const { address: host, port, hostname: servername, caPem: ca } = behind;
        const broker = connect({ host, port, servername, ca });
        broker.setNoDelay(true);
        broker.on("error", () => client.destroy());
        broker.on("close", () => client.destroySoon());
        client.on("close", () => {
            open.delete(client);
            broker.destroySoon();
        });
        broker.pipe(client);
        let begun = Buffer.alloc(0);
        const first = (chunk: Buffer) => {
            begun = Buffer.concat([begun, chunk]);
            const length = lengthOf(begun);
            if (length === undefined || begun.length < length) return;
            client.off("data", first);
            broker.write(withLogin(begun.subarray(0, length), behind));
            broker.write(begun.subarray(length));
            client.pipe(broker);
        };
        client.on("data", first);
    });
    await new Promise<void>((resolve, reject) => {
        server.once("error", reject).listen(listen.port, listen.host, resolve);
    });
    return {
        host: listen.host,
        port: (server.address() as AddressInfo).port,
        close: () => {
            for (const socket of open) socket.destroy();
            server.close();
        },
    };
}

/** The length of the packet that a buffer begins with, if enough of it is there. */
function lengthOf(bytes: Buffer): number | undefined {
    let length = 0;
    for (let at = 1; at < Math.min(bytes.length, 5); at++) {
        length += (bytes[at]! & 0x7f) * 128 ** (at - 1);
        if (bytes[at]! < 0x80) return 1 + at + length;
    }
    return undefined;
}

/** Adds user and password, a CONNECT's last fields. One that has them, and any other packet, is unchanged. */
function withLogin(bytes: Buffer, { username, password }: Behind): Buffer {
    const body = Buffer.from(
        bytes.subarray(bytes.findIndex((byte, at) => at > 0 && byte < 0x80) + 1),
    );
    // The protocol's name with its length, and its version.
    const flags = 2 + body.readUInt16BE(0) + 1;
    if (bytes[0] !== 0x10 || flags >= body.length || body[flags]! >= 0x80) return bytes;
    body[flags]! |= 0xc0;
    const fields = [username, password].flatMap((text) => {
        const field = Buffer.from(text);
        return [Buffer.from([field.length >> 8, field.length & 0xff]), field];
    });
    const whole = Buffer.concat([body, ...fields]);
    const length: number[] = [];
    for (let left = whole.length; left > 0; left >>= 7) {
        length.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    }
    return Buffer.concat([Buffer.from([0x10, ...length]), whole]);
}
