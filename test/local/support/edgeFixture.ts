/** An app with addresses at the local Fly's edge, and clients of it. */
import { connect, type Socket } from "node:net";
import { AppFixture } from "./appFixture.ts";

/** Echoes what a connection sent, once the sender has ended. */
export const ECHO = "nc -ll -p 7000 -e /bin/cat";

export class EdgeFixture extends AppFixture {
    v4!: string;
    v6!: string;

    constructor() {
        super("edge");
        before(async () => {
            const path = "/apps/edge/ip_assignments";
            this.v4 = (await this.api.ok<{ ip: string }>("POST", path, { type: "v4" })).ip;
            this.v6 = (await this.api.ok<{ ip: string }>("POST", path, { type: "v6" })).ip;
        });
    }

    /** Config of a machine that runs a command behind services. */
    serving(command: string, services: Record<string, unknown>[]) {
        return { image: this.image, init: { exec: ["/bin/sh", "-c", command] }, services };
    }
}

export function service(internal: number, ports: Record<string, unknown>[], more = {}) {
    return { protocol: "tcp", internal_port: internal, ports, autostart: false, ...more };
}

/** Connects, sends `text` unless it is empty, and reads until the other side ends. */
export async function talk(host: string, port: number, text: string): Promise<string> {
    const socket = connect({ host, port, allowHalfOpen: true });
    socket.end(text);
    return read(socket);
}

async function read(socket: Socket): Promise<string> {
    let answer = "";
    for await (const chunk of socket as AsyncIterable<Buffer>) answer += chunk.toString();
    return answer;
}
