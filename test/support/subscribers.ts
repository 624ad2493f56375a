/** A broker whose users subscribe to topics that they may and may not read. */
import type { IClientOptions, MqttClient } from "mqtt";
import { aclFile, type Access, type Grants } from "../../broker/acl.ts";
import type { Series } from "../../broker/conf.ts";
import { logInTo } from "./brokerClient.ts";
import { givenConf, passwordLine } from "../../dev/harness/brokerConf.ts";
import { BrokerContainer, buildBroker } from "../../dev/harness/brokerContainer.ts";
import { givenFiles } from "./brokerFixture.ts";
import { issue, makeAuthority, type Authority } from "../../dev/harness/certificates.ts";
import { until } from "../../dev/harness/until.ts";

const HOSTNAME = "appkata-test.fly.dev";
const PASSWORD = "the password of all";
const NOTHING = { read: [], write: [], readWrite: [], deny: [], everything: false as const };

export const USERS: Access[] = [
    { ...NOTHING, name: "alice", readWrite: ["alice/#"] },
    { ...NOTHING, name: "bob", readWrite: ["bob/#"], write: ["inbox/+"] },
    { ...NOTHING, name: "admin", everything: true },
    { ...NOTHING, name: "most", everything: "read", deny: ["secret/#"] },
    { ...NOTHING, name: "some", read: ["a/#", "+/state", "$SYS/broker/+"], deny: ["a/b/#"] },
    { ...NOTHING, name: 'of/"two"\\levels', readWrite: ["own/%u/#"] },
    { ...NOTHING, name: "writer", everything: "write" },
];
export const EVERYONE: Grants = {
    read: ["news", "$SYS/broker/uptime", "to/%u/#"],
    write: [],
    readWrite: ["client/%c/#"],
};

const LINES = new Map(USERS.map(({ name }) => [name, passwordLine(name, PASSWORD)]));

/** Their password and ACL files. */
export function filesOf(
    users: readonly Access[] = USERS,
    everyone = EVERYONE,
): Record<string, string> {
    return {
        passwd: users.map(({ name }) => LINES.get(name)!).join(""),
        acl: aclFile({ users: [...users], everyone, internal: [] }),
    };
}

/** SUBACK's result for each of the filters. */
export async function granted(client: MqttClient, filters: string[]): Promise<number[]> {
    let codes: number[] = [];
    client.once("packetreceive", (packet) => {
        if (packet.cmd === "suback") codes = packet.granted as number[];
    });
    await client.subscribeAsync(filters, { qos: 1 }).catch(() => undefined);
    return codes;
}

/** A suite's broker with USERS, and their clients, which end with each test. */
export class Subscribers {
    broker!: BrokerContainer;
    #authority!: Authority;
    readonly #clients: MqttClient[] = [];

    constructor(series: Series) {
        before(async () => {
            this.#authority = await makeAuthority();
            const { chain, key } = await issue(this.#authority, [HOSTNAME]);
            const files = { "server.crt": chain, "server.key": key, ...filesOf() };
            this.broker = await BrokerContainer.create({
                image: await buildBroker(series),
                files: { ...givenFiles(files), ...givenConf() },
            });
            await this.broker.start();
        });
        afterEach(async () => {
            for (const client of this.#clients.splice(0)) await client.endAsync(true);
        });
        after(() => this.broker.remove());
    }

    async connect(username: string, options: IClientOptions = {}): Promise<MqttClient> {
        const client = await logInTo(this.broker, this.#authority, {
            ...{ username, password: PASSWORD, servername: HOSTNAME, protocolVersion: 4 },
            ...options,
        });
        this.#clients.push(client);
        return client;
    }

    /** How many of twenty messages for alice's workers reach her own worker. */
    async jobsOf(worker: MqttClient): Promise<number> {
        const came = new Set<string>();
        worker.on("message", (_, payload) => came.add(payload.toString()));
        const alice = await this.connect("alice");
        for (let i = 0; i < 20; i++) await alice.publishAsync("alice/jobs", `${i}`, { qos: 1 });
        await worker.subscribeAsync("alice/end", { qos: 1 });
        await alice.publishAsync("alice/end", "end", { qos: 1 });
        await until("the last message", () => came.has("end"));
        return came.size - 1;
    }
}
