import { setTimeout } from "node:timers/promises";
import { connect, type TLSSocket } from "node:tls";
import { generate } from "mqtt-packet";
import { binary, UPGRADE } from "./frames.ts";

export interface Wire {
    /** Default: 127.0.0.1. */
    host?: string;
    port: number;
    webSockets?: boolean;
    /**
     * Milliseconds after which the client gives up a connection that the broker keeps. Without it, that is an
     * error.
     */
    giveUpAfter?: number;
    hostname: string;
    caPem: string;
    username: string;
    password: string;
}

/** The connection's stage before the packet; `before upgrade`: not yet a WebSocket. */
export type Stage = "before upgrade" | "before login" | "after login";

/** How long the broker may keep a connection that the client has ended. */
const CLOSE_MS = 20_000;
const AT_ONCE = 32;

/** Uses one connection per packet, several at once; all resume one TLS session. */
export class Sender {
    sent = 0;
    /** Number of connections that the client gave up. */
    kept = 0;
    readonly #wire: Wire;
    #session: Buffer | undefined;

    constructor(wire: Wire) {
        this.#wire = wire;
    }

    /**
     * Sends each packet on its own connection, ends it, and waits until the broker has closed it.
     *
     * @throws Error with the packet, when the broker cannot be reached, refuses the login, or keeps the
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

    /**
     * Sends each packet on its own connection without ending it.
     *
     * @returns how many of them the broker closed within this many milliseconds
     */
    async endedByBroker(packets: readonly Buffer[], stage: Stage, ms: number): Promise<number> {
        const ended = packets.map(async (packet) => {
            const socket = await this.#open(stage);
            const closed = new Promise((resolve) => socket.once("close", () => resolve(true)));
            socket.resume().write(packet);
            const first = await Promise.race([closed, setTimeout(ms, false)]);
            socket.destroy();
            this.sent++;
            return first;
        });
        return (await Promise.all(ended)).filter(Boolean).length;
    }

    /** Writes everything, as far as the broker takes it, and reads nothing. */
    async flood(bytes: Buffer, stage: Stage): Promise<void> {
        const socket = await this.#open(stage);
        socket.pause();
        await new Promise<void>((resolve) => {
            socket.once("close", resolve).write(bytes, () => resolve());
        });
        socket.destroy();
    }

    async #send(packet: Buffer, stage: Stage): Promise<void> {
        const socket = await this.#open(stage);
        const { giveUpAfter } = this.#wire;
        const closed = new Promise<void>((resolve, reject) => {
            const timer = globalThis.setTimeout(() => {
                socket.destroy();
                if (giveUpAfter !== undefined) this.kept++;
                else reject(new Error(`the broker keeps the connection for ${CLOSE_MS} ms`));
            }, giveUpAfter ?? CLOSE_MS);
            socket.once("close", () => (clearTimeout(timer), resolve()));
        });
        socket.resume();
        socket.end(packet);
        await closed;
    }

    /** Opens a connection at that stage; the broker may close it at any time. */
    async #open(stage: Stage): Promise<TLSSocket> {
        const { host = "127.0.0.1", port, hostname, caPem, webSockets } = this.#wire;
        const socket = connect({
            ...{ host, port, servername: hostname, ca: caPem },
            ...(this.#session && { session: this.#session }),
        });
        socket.on("session", (session: Buffer) => (this.#session ??= session));
        socket.setTimeout(CLOSE_MS, () => socket.destroy(new Error("the broker says nothing")));
        await new Promise<void>((resolve, reject) => {
            socket.once("secureConnect", resolve).once("error", reject);
        });
        socket.on("error", () => undefined);
        if (webSockets === true && stage !== "before upgrade") {
            const upgrade = Buffer.from(`${UPGRADE.join("\r\n")}\r\n\r\n`);
            const answer = await this.#ask(socket, upgrade);
            if (!answer.toString().startsWith("HTTP/1.1 101 ")) {
                throw new Error(`answered the upgrade with ${answer.toString()}`);
            }
        }
        if (stage === "after login") await this.#logIn(socket);
        socket.setTimeout(0);
        return socket;
    }

    /** The first data that arrives after sending. */
    #ask(socket: TLSSocket, question: Buffer): Promise<Buffer> {
        return new Promise((resolve, reject) => {
            socket.once("data", resolve);
            socket.once("close", () => reject(new Error("hung up instead of an answer")));
            socket.write(question);
        });
    }

    async #logIn(socket: TLSSocket): Promise<void> {
        const protocolVersion = this.sent % 2 === 0 ? 4 : 5;
        const { username, password, webSockets } = this.#wire;
        const login = generate(
            {
                ...{ cmd: "connect", protocolId: "MQTT", protocolVersion, clean: true },
                ...{
                    clientId: `fuzz-${this.sent}-${socket.localPort}`,
                    username,
                    password: Buffer.from(password),
                    keepalive: this.#wire.giveUpAfter === undefined ? 60 : 1,
                },
            },
            { protocolVersion },
        );
        const answer = await this.#ask(socket, webSockets === true ? binary(login) : login);
        // A short frame's header is two bytes.
        const connack = webSockets === true ? answer.subarray(2) : answer;
        if (connack[0] !== 0x20 || connack[3] !== 0) {
            throw new Error(`answered the login with ${answer.toString("hex")}`);
        }
    }
}
