import { connect, type TLSSocket } from "node:tls";
import { generate } from "mqtt-packet";

export interface Wire {
    /** On 127.0.0.1. */
    port: number;
    hostname: string;
    caPem: string;
    username: string;
    password: string;
}

/** What a connection is before the packet comes. */
export type Stage = "before login" | "after login";

/** How long the broker may keep a connection that the client has ended. */
const CLOSE_MS = 20_000;
const AT_ONCE = 32;

/** One connection for each packet, some at once, and a TLS session that all of them resume. */
export class Sender {
    sent = 0;
    readonly #wire: Wire;
    #session: Buffer | undefined;

    constructor(wire: Wire) {
        this.#wire = wire;
    }

    /**
     * Sends each packet on a connection of its own, ends it, and waits until the broker has closed it.
     *
     * @throws Error with the packet, when the broker cannot be reached, lets nobody in, or keeps the
     *     connection
     */
    async sendAll(packets: readonly Buffer[], stage: Stage): Promise<void> {
        const waiting = packets[Symbol.iterator]();
        const worker = async () => {
            for (const packet of waiting) {
                try {
                    await this.#send(packet, stage);
                } catch (error) {
                    const what = `${stage}, packet ${packet.toString("hex")}`;
                    throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
                }
                this.sent++;
            }
        };
        await Promise.all(Array.from({ length: AT_ONCE }, worker));
    }

    async #send(packet: Buffer, stage: Stage): Promise<void> {
        const { port, hostname, caPem } = this.#wire;
        const socket = connect({
            ...{ host: "127.0.0.1", port, servername: hostname, ca: caPem },
            ...(this.#session && { session: this.#session }),
        });
        socket.on("session", (session: Buffer) => (this.#session ??= session));
        const closed = new Promise<void>((resolve, reject) => {
            const timer = setTimeout(() => {
                socket.destroy();
                reject(new Error(`the broker keeps the connection for ${CLOSE_MS} ms`));
            }, CLOSE_MS);
            socket.once("close", () => (clearTimeout(timer), resolve()));
        });
        await new Promise<void>((resolve, reject) => {
            socket.once("secureConnect", resolve).once("error", reject);
        });
        // From here on the broker may hang up as it likes.
        socket.on("error", () => undefined);
        if (stage === "after login") await this.#logIn(socket);
        socket.resume();
        socket.end(packet);
        await closed;
    }

    async #logIn(socket: TLSSocket): Promise<void> {
        const protocolVersion = this.sent % 2 === 0 ? 4 : 5;
        const { username, password } = this.#wire;
        const answer = new Promise<Buffer>((resolve, reject) => {
            socket.once("data", resolve);
            socket.once("close", () => reject(new Error("hung up instead of a CONNACK")));
        });
        socket.write(
            generate(
                {
                    ...{ cmd: "connect", protocolId: "MQTT", protocolVersion, clean: true },
                    ...{
                        clientId: `fuzz-${this.sent}-${socket.localPort}`,
                        username,
                        password: Buffer.from(password),
                        keepalive: 60,
                    },
                },
                { protocolVersion },
            ),
        );
        const connack = await answer;
        if (connack[0] !== 0x20 || connack[3] !== 0) {
            throw new Error(`answered the login with ${connack.toString("hex")}`);
        }
    }
}
