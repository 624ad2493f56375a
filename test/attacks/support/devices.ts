/**
 * A broker with the devices pump and lamp, the removed device old, and ada, who has a password and the broker's other
 * port. Everyone may use `of/NAME/#` and `client/ID/#`.
 */
import mqtt from "mqtt";
import type { IClientOptions, MqttClient } from "mqtt";
import { aclFile, type Access } from "../../../broker/acl.ts";
import { CERTIFICATE_PORT, type Series } from "../../../broker/conf.ts";
import { listFile } from "../../../components/revocation.ts";
import { certificatesIn } from "../../../lib/pem.ts";
import { nextList, type RevocationListOutputs } from "../../../providers/kept/revocationList.ts";
import { VERIFIER_ACCESS } from "../../../verification/verifier.ts";
import { CONF, givenConf, passwordLine } from "../../../dev/harness/brokerConf.ts";
import { BrokerContainer, buildBroker } from "../../../dev/harness/brokerContainer.ts";
import { ADA, applyFiles, givenFiles, HOSTNAME } from "../../support/brokerFixture.ts";
import {
    issue,
    keyOf,
    makeAuthority,
    type Authority,
    type Issuing,
} from "../../../dev/harness/certificates.ts";

/** A client's certificate, or a chain that leads to a CA, and its key. */
export interface Pair {
    cert: string;
    key: string;
}

/** A client, and the topics of the messages that it has received. */
export type Client = MqttClient & { seen: string[] };

const NOTHING = { read: [], write: [], readWrite: [], deny: [], everything: false as const };
const EVERYONE = { read: [], write: [], readWrite: ["of/%u/#", "client/%c/#"] };

export class Devices {
    broker!: BrokerContainer;
    authority!: Authority;
    server!: Pair;
    readonly pairs: Record<string, Pair> = {};
    #list: RevocationListOutputs | undefined;
    #files: Record<string, string> = {};
    readonly #clients: MqttClient[] = [];

    constructor(series: Series) {
        before(async () => {
            this.authority = await makeAuthority();
            for (const name of ["pump", "lamp", "old"]) this.pairs[name] = await this.issue(name);
            const { chain, key } = await issue(this.authority, [HOSTNAME]);
            this.server = { cert: certificatesIn(chain)[0]!, key };
            await this.#revokeAllBut(["pump", "lamp", "old"]);
            this.#files = {
                "server.crt": chain,
                "server.key": key,
                passwd: passwordLine(ADA.username, ADA.password),
                "client-ca.crt": this.authority.pem,
                ...(await this.#revokeAllBut(["pump", "lamp"])),
            };
            this.broker = await BrokerContainer.create({
                image: await buildBroker(series),
                files: {
                    ...givenFiles(this.#files),
                    ...givenConf({ ...CONF, clientCertificates: "optional" }),
                },
            });
            await this.broker.start();
        });
        afterEach(async () => {
            for (const client of this.#clients.splice(0)) await client.endAsync(true);
        });
        after(() => this.broker.remove());
    }

    /** Issues a client certificate, by default for a user of this name by the broker's CA. */
    async issue(name: string, options: Issuing = {}, by = this.authority): Promise<Pair> {
        const { chain, key } = await issue(by, [name], {
            client: true,
            subject: [{ CN: [{ utf8String: name }] }],
            ...options,
        });
        return { cert: certificatesIn(chain)[0]!, key };
    }

    /** Removes the device lamp from the running broker, as an `up` does. */
    async removeLamp(): Promise<void> {
        await applyFiles(
            this.broker,
            Object.assign(this.#files, await this.#revokeAllBut(["pump"])),
        );
    }

    /** Connects to the port for certificates. */
    async connect(pair: Partial<Pair>, options: IClientOptions = {}): Promise<Client> {
        const host = await this.broker.privateAddress();
        return this.#open({ host, port: CERTIFICATE_PORT, ...pair, ...options });
    }

    /** Connects to the port for passwords. */
    async connectToPasswords(options: IClientOptions): Promise<Client> {
        return this.#open({ host: "127.0.0.1", port: await this.broker.port(), ...options });
    }

    async #open(options: IClientOptions): Promise<Client> {
        const client = mqtt.connect({
            protocol: "mqtts",
            protocolVersion: 5,
            ca: this.authority.pem,
            servername: HOSTNAME,
            reconnectPeriod: 0,
            ...options,
        });
        this.#clients.push(client);
        const seen: string[] = [];
        client.on("message", (topic) => seen.push(topic));
        await new Promise<void>((resolve, reject) => {
            client.on("connect", () => resolve()).on("error", reject);
            client.on("close", () => reject(new Error("the connection was closed")));
        });
        return Object.assign(client, { seen });
    }

    async #revokeAllBut(names: string[]): Promise<Record<string, string>> {
        const certificates = Object.fromEntries(
            names.map((name) => [name, this.pairs[name]!.cert]),
        );
        const caKeyPem = await keyOf(this.authority);
        const inputs = { caCertPem: this.authority.pem, caKeyPem, names, certificates };
        this.#list = await nextList(inputs, this.#list, new Date());
        const { revoked, crlPem } = this.#list;
        const users = ["ada", ...names].map((name): Access => {
            return { ...NOTHING, name, readWrite: [`${name}/#`] };
        });
        const removed = revoked.map(({ name }) => name);
        return {
            acl: aclFile({ users, everyone: EVERYONE, internal: [VERIFIER_ACCESS], removed }),
            "client-ca.crl": listFile(revoked, crlPem),
        };
    }
}
