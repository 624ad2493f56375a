/**
 * The brokers that this room attacks as strangers, and its own users, could: from outside, with packets of any kind.
 * Each test is named after an attack, in plain words, below the name of the broker that it is tried on. Where
 * somebody may do what the attack tries, that one sends the same packets, to show that they would do harm.
 *
 * `npm test` attacks one broker; `npm run test:all` attacks both series of Mosquitto, and one behind Fly's edge.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from "node:net";
import { connect, type ConnectionOptions } from "node:tls";
import { aclFile, type Access, type Grants } from "../../../broker/acl.ts";
import { EDGE_MQTT_PORT, type BrokerConf, type Series } from "../../../broker/conf.ts";
import { terminate } from "../../../dev/fly/runtime/edgeTls.ts";
import { VERIFIER, VERIFIER_ACCESS } from "../../../verification/verifier.ts";
import { CONF, givenConf, passwordLine } from "../../../dev/harness/brokerConf.ts";
import { BrokerContainer, buildBroker } from "../../../dev/harness/brokerContainer.ts";
import { applyFiles, givenFiles } from "../../support/brokerFixture.ts";
import { issue, makeAuthority, type ServerCertificate } from "../../../dev/harness/certificates.ts";
import { LEVELS, subscribe, type Connect } from "./packets.ts";
import { RawClient } from "./rawClient.ts";

interface Kind {
    name: string;
    series: Series;
    tls: BrokerConf["tls"];
}

const ALL: Kind[] = [
    { name: "Mosquitto 2.1", series: "2.1", tls: "broker" },
    { name: "Mosquitto 2.0", series: "2.0", tls: "broker" },
    { name: "Mosquitto 2.1 behind Fly's edge", series: "2.1", tls: "edge" },
];
export const KINDS = process.env.APPKATA_SCOPE === "core" ? ALL.slice(0, 1) : ALL;

const APP = "appkata-attacked";
export const HOSTNAME = `${APP}.fly.dev`;
/** Codes for a wrong user or password, in MQTT 3 and in MQTT 5. */
const DENIED = [4, 5, 0x86, 0x87];
/** Codes for a packet that is malformed, or asks for what the broker lacks. */
const MALFORMED = [1, 2, 0x81, 0x82, 0x84, 0x8c];

const NOTHING = { read: [], write: [], readWrite: [], deny: [], everything: false as const };

export const USERS: Access[] = [
    { ...NOTHING, name: "alice", readWrite: ["alice/#"] },
    { ...NOTHING, name: "bob", readWrite: ["bob/#"], write: ["inbox/+"] },
    { ...NOTHING, name: "zo\u00eb", readWrite: ["zoe/#"] },
    { ...NOTHING, name: "admin", everything: true },
];
const EVERYONE: Grants = { read: ["news", "to/%u/#"], write: [], readWrite: ["by-id/%c/#"] };

/** Passwords by user: each broker has others. */
export function newPasswords(users: readonly Access[] = USERS): Map<string, string> {
    const names = [...users.map(({ name }) => name), VERIFIER];
    return new Map(names.map((name) => [name, randomBytes(12).toString("base64url")]));
}

/** A suite's broker. */
export class Front {
    readonly kind: Kind;
    passwords = newPasswords();
    broker!: BrokerContainer;
    #ca = "";
    #edge: { port: number; close(): void } | undefined;
    readonly #clients: RawClient[] = [];

    constructor(kind: Kind, conf: Partial<BrokerConf> = {}) {
        this.kind = kind;
        const { series, tls } = kind;
        before(async () => {
            const authority = await makeAuthority();
            this.#ca = authority.pem;
            const certificate = await issue(authority, [HOSTNAME]);
            const { chain, key } = certificate;
            const files = { "server.crt": chain, "server.key": key, ...this.#files(USERS) };
            this.broker = await BrokerContainer.create({
                image: await buildBroker(series),
                files: { ...givenFiles(files), ...givenConf({ ...CONF, tls, ...conf }) },
            });
            await this.broker.start();
            if (tls === "edge") this.#edge = await edgeOf(this.broker, certificate);
        });
        afterEach(() => {
            for (const client of this.#clients.splice(0)) client.cut();
        });
        after(async () => {
            this.#edge?.close();
            await this.broker.remove();
        });
    }

    /** Has the running broker take other users, each with the password that it has in `passwords`. */
    change(users: readonly Access[]): Promise<void> {
        return applyFiles(this.broker, this.#files(users));
    }

    /**
     * Logs in with what must be refused.
     *
     * @returns the answer, as the bytes that came until the broker hung up
     */
    async refuses(login: Partial<Connect> & { level: number }): Promise<Buffer> {
        const client = await this.open(login.level);
        const code = await client.logIn({ clientId: "attacker", ...login });
        const refused = code === undefined || [...DENIED, ...MALFORMED].includes(code);
        assert.ok(refused, `${LEVELS.get(login.level)}: answered with ${code}`);
        await client.until("the end", () => client.ended);
        return client.came;
    }

    /** A connection to the port where the broker, or the edge, ends TLS. */
    async plain(): Promise<Socket> {
        return connectTcp(this.#edge?.port ?? (await this.broker.port()), "127.0.0.1");
    }

    /** A TLS connection. */
    async secure(options: ConnectionOptions = {}): Promise<Socket> {
        const [socket, servername, ca] = [await this.plain(), HOSTNAME, this.#ca];
        return new Promise((resolve, reject) => {
            const secured = connect({ socket, servername, ca, ...options }, () => resolve(secured));
            secured.once("error", reject);
            secured.once("close", () => reject(new Error("hung up during the handshake")));
        });
    }

    /** A client that is not logged in. */
    async open(level: number, acknowledges = true): Promise<RawClient> {
        const client = new RawClient(await this.secure(), level, acknowledges);
        this.#clients.push(client);
        return client;
    }

    /** A client that is logged in. */
    async logIn(
        username: string,
        options: Partial<Connect> & { acknowledges?: boolean } = {},
    ): Promise<RawClient> {
        const { acknowledges, ...rest } = options;
        const login = {
            ...{ level: 5, clientId: randomBytes(8).toString("hex") },
            ...{ username, password: this.passwords.get(username)! },
            ...rest,
        };
        const client = await this.open(login.level, acknowledges);
        const code = await client.logIn(login);
        if (code !== 0) throw new Error(`${username} is not let in: ${code ?? "hung up"}`);
        return client;
    }

    /** Logs in, sends packets, waits until the broker has handled them, and cuts the connection. */
    async send(user: string, level: number, ...packets: Buffer[]): Promise<void> {
        const client = await this.logIn(user, { level });
        client.send(...packets);
        // A QoS 2 message takes two round trips.
        await client.settled();
        await client.settled();
        client.cut();
    }

    /** A client that gets, at QoS 2, what is sent to a filter from now on, or also what is retained. */
    async watch(user: string, filter: string, { retained = false } = {}): Promise<RawClient> {
        const client = await this.logIn(user);
        // Retain Handling 2: nothing that is retained.
        client.send(subscribe({ level: 5, filters: [filter], options: retained ? 2 : 0x22 }));
        await client.settled();
        assert.deepEqual(client.granted, [2]);
        return client;
    }

    #files(users: readonly Access[]): Record<string, string> {
        const lines = [...users.map(({ name }) => name), VERIFIER].map((name) =>
            passwordLine(name, this.passwords.get(name)!),
        );
        return {
            passwd: lines.join(""),
            acl: aclFile({ users: [...users], everyone: EVERYONE, internal: [VERIFIER_ACCESS] }),
        };
    }
}

/** Fly's edge in front of a broker, as the local Fly has it, with the handlers that components/machineConfig.ts asks for. */
async function edgeOf(broker: BrokerContainer, { chain, key }: ServerCertificate) {
    const host = await broker.privateAddress();
    const entry = { handlers: ["tls"], tls_options: { alpn: ["mqtt"] } };
    const open = new Set<Socket>();
    const accept = async (raw: Socket) => {
        const secured = await terminate(raw, { cert: chain, key }, [{ app: APP, entry }]);
        if (secured === undefined) return void raw.destroy();
        const upstream = connectTcp(EDGE_MQTT_PORT, host);
        for (const end of ["error", "close"]) upstream.once(end, () => raw.destroySoon());
        raw.once("close", () => upstream.destroySoon());
        secured.stream.pipe(upstream).pipe(secured.stream);
    };
    const server = createServer({ noDelay: true }, (raw) => {
        open.add(raw.on("error", () => raw.destroy()).once("close", () => open.delete(raw)));
        void accept(raw);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return {
        port: (server.address() as AddressInfo).port,
        close: () => {
            for (const socket of open) socket.destroy();
            server.close();
        },
    };
}
