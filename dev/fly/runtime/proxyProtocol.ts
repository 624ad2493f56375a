import type { Socket } from "node:net";

const V2_SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");

function ipv4(address: string | undefined): string {
    return (address ?? "127.0.0.1").replace(/^::ffff:/, "");
}

/**
 * Builds the PROXY protocol header of a client's connection; IPv4 only, as the edge's addresses are.
 * @param version "v1" (text) or "v2" (binary)
 */
export function proxyHeader(client: Socket, version: string): Buffer {
    const source = ipv4(client.remoteAddress);
    const destination = ipv4(client.localAddress);
    const sourcePort = client.remotePort ?? 0;
    const destinationPort = client.localPort ?? 0;
    if (version !== "v2") {
        return Buffer.from(
            `PROXY TCP4 ${source} ${destination} ${sourcePort} ${destinationPort}\r\n`,
        );
    }
    const header = Buffer.alloc(16);
    header.writeUInt8(0x21, 0); // version 2, PROXY
    header.writeUInt8(0x11, 1); // TCP over IPv4
    header.writeUInt16BE(12, 2);
    Buffer.from(source.split(".").map(Number)).copy(header, 4);
    Buffer.from(destination.split(".").map(Number)).copy(header, 8);
    header.writeUInt16BE(sourcePort, 12);
    header.writeUInt16BE(destinationPort, 14);
    return Buffer.concat([V2_SIGNATURE, header]);
}
