import type { Socket } from "node:net";
import { parser, type Packet } from "mqtt-packet";
import { until } from "../../../dev/harness/until.ts";
import { connect, packet, PINGREQ, type Connect } from "./packets.ts";

/** A connection to a broker that sends any bytes, and keeps what comes back. */
export class RawClient {
    readonly packets: Packet[] = [];
    /** Bytes as they came. */
    came = Buffer.alloc(0);
    ended = false;
    readonly #socket: Socket;
    readonly #acknowledges: boolean;

    constructor(socket: Socket, level: number, acknowledges = true) {
        this.#socket = socket;
        this.#acknowledges = acknowledges;
        const incoming = parser({ protocolVersion: level });
        incoming.on("packet", (one) => this.#take(one));
        socket.on("data", (bytes: Buffer) => {
            this.came = Buffer.concat([this.came, bytes]);
            incoming.parse(bytes);
        });
        socket.on("error", () => socket.destroy());
        socket.once("close", () => (this.ended = true));
    }

    send(...all: Buffer[]): void {
        if (!this.ended) this.#socket.write(Buffer.concat(all));
    }

    /** Logs in. @returns the CONNACK's code, or undefined if the broker hangs up instead */
    async logIn(options: Connect): Promise<number | undefined> {
        this.send(connect(options));
        await this.until("an answer to CONNECT", () => this.packets.length > 0 || this.ended);
        return this.connack;
    }

    get connack(): number | undefined {
        const [first] = this.packets;
        return first?.cmd === "connack" ? (first.reasonCode ?? first.returnCode) : undefined;
    }

    /** Waits until the broker has handled what was sent. @returns whether the connection stands */
    async settled(): Promise<boolean> {
        const pings = () => this.packets.filter(({ cmd }) => cmd === "pingresp").length;
        const before = pings();
        this.send(PINGREQ);
        await this.until("an answer to PINGREQ", () => pings() > before || this.ended);
        return !this.ended;
    }

    until(what: string, look: () => boolean): Promise<boolean> {
        return until(what, look, { withinMs: 10_000, everyMs: 2 });
    }

    /** Payloads of the messages that came. */
    get payloads(): string[] {
        return this.#messages.map(({ payload }) => payload.toString());
    }

    get topics(): string[] {
        return this.#messages.map(({ topic }) => topic);
    }

    get #messages() {
        return this.packets.filter((one) => one.cmd === "publish");
    }

    /** Codes of the last SUBACK. */
    get granted(): number[] | undefined {
        const last = this.packets.findLast(({ cmd }) => cmd === "suback");
        return last?.cmd === "suback" ? (last.granted as number[]) : undefined;
    }

    /** Disconnects as a client should, so that no will is sent. */
    async leave(): Promise<void> {
        this.send(packet(0xe0));
        await this.until("the end", () => this.ended);
    }

    /** Cuts the connection off. */
    cut(): void {
        this.#socket.destroy();
    }

    #take(one: Packet): void {
        this.packets.push(one);
        if (!this.#acknowledges) return;
        const answer = one.cmd === "publish" ? [0, 0x40, 0x50][one.qos]! : ANSWERS.get(one.cmd);
        if (answer)
            this.send(packet(answer, Buffer.from([one.messageId! >> 8, one.messageId! & 0xff])));
    }
}

/** PUBREL answers PUBREC, also one that says no; PUBCOMP answers PUBREL. */
const ANSWERS = new Map<string, number>([
    ["pubrec", 0x62],
    ["pubrel", 0x70],
]);
