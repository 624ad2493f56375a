// core
import assert from "node:assert/strict";
import type { IClientOptions, MqttClient } from "mqtt";
import mqtt from "mqtt";
import { aclFile, type Access } from "../../broker/acl.ts";
import { SERIES } from "../../broker/conf.ts";
import { listFile } from "../../components/revocation.ts";
import { nextList, type RevocationListOutputs } from "../../providers/kept/revocationList.ts";
import { CONF, givenConf, passwordLine } from "../../dev/harness/brokerConf.ts";
import { BrokerContainer, buildBroker } from "../../dev/harness/brokerContainer.ts";
import { applyFiles, givenFiles } from "../support/brokerFixture.ts";
import { certificatesIn } from "../../lib/pem.ts";
import { issue, keyOf, makeAuthority, type Authority } from "../../dev/harness/certificates.ts";
import { until } from "../../dev/harness/until.ts";

const HOSTNAME = "appkata-test.fly.dev";
const PASSWORD = "ada's own password";
const NOTHING = { read: [], write: [], readWrite: [], deny: [], everything: false as const };
/** What a removed device could still use: it is not in any user's own grants. */
const EVERYONE = { ...NOTHING, readWrite: ["client/%c/#", "of/%u/#", "all"] };

for (const series of SERIES) {
    for (const mode of ["optional", "required"] as const) {
        describe(`clients with certificates, ${mode}, on Mosquitto ${series}`, function () {
            this.timeout(60_000);
            this.bail(true);
            let broker: BrokerContainer;
            let authority: Authority;
            let nextAuthority: Authority;
            const pairs: Record<string, { cert: string; key: string }> = {};
            const files: Record<string, string> = {};
            let list: RevocationListOutputs;
            /** Of the other CA. */
            let rest = "";
            const clients: MqttClient[] = [];

            before(async () => {
                const image = await buildBroker(series);
                [authority, nextAuthority] = [
                    await makeAuthority(),
                    await makeAuthority("Next CA"),
                ];
                for (const [name, by] of [
                    ["pump", authority],
                    ["lamp", authority],
                    ["next", nextAuthority],
                ] as const) {
                    pairs[name] = await pairFor(name, by);
                }
                pairs.foreign = await pairFor("pump", await makeAuthority());
                const server = await issue(authority, [HOSTNAME]);
                list = await listOf(["pump", "lamp"]);
                Object.assign(files, {
                    "server.crt": server.chain,
                    "server.key": server.key,
                    passwd: passwordLine("ada", PASSWORD) + passwordLine("lamp", PASSWORD),
                    acl: aclOf(["pump", "lamp", "next"]),
                    "client-ca.crt": authority.pem,
                    "client-ca.crl": fileOf(list),
                });
                broker = await BrokerContainer.create({
                    image,
                    files: {
                        ...givenFiles(files),
                        ...givenConf({ ...CONF, clientCertificates: mode }),
                    },
                });
                await broker.start();
            });
            after(async () => {
                for (const client of clients) await client.endAsync(true);
                await broker.remove();
            });

            async function pairFor(name: string, by: Authority) {
                const { chain, key } = await issue(by, [name], { client: true });
                return { cert: certificatesIn(chain)[0]!, key };
            }

            /** As the machine is given it. */
            const fileOf = ({ revoked, crlPem }: RevocationListOutputs) =>
                listFile(revoked, crlPem);

            async function listOf(names: string[]): Promise<RevocationListOutputs> {
                const signed = ["pump", "lamp"].filter((name) => names.includes(name));
                const inputs = {
                    caCertPem: authority.pem,
                    caKeyPem: await keyOf(authority),
                    names,
                    certificates: Object.fromEntries(
                        signed.map((name) => [name, pairs[name]!.cert]),
                    ),
                };
                return nextList(inputs, list, new Date());
            }

            function aclOf(names: string[], removed: string[] = []): string {
                const users = ["ada", ...names].map((name): Access => {
                    return name === "ada"
                        ? { ...NOTHING, name, everything: true }
                        : { ...NOTHING, name, readWrite: [`devices/${name}/#`] };
                });
                return aclFile({ users, everyone: EVERYONE, internal: [], removed });
            }

            async function connect(options: IClientOptions): Promise<MqttClient> {
                const byCertificate = options.cert !== undefined || options.username === undefined;
                const client = await mqtt.connectAsync({
                    protocol: "mqtts",
                    ...(mode === "optional" && byCertificate
                        ? { host: await broker.privateAddress(), port: 1885 }
                        : { host: "127.0.0.1", port: await broker.port() }),
                    ...{ ca: authority.pem, servername: HOSTNAME },
                    reconnectPeriod: 0,
                    ...options,
                });
                client.on("error", () => undefined);
                clients.push(client);
                return client;
            }

            /** An alert, which with TLS 1.3 comes once the client has spoken; or CONNACK's refusal. */
            const REFUSED = /alert|ECONNRESET|EPIPE|closed|disconnected|not authorized/i;

            const refused = (options: IClientOptions) => assert.rejects(connect(options), REFUSED);

            /** Whether a message of one comes to the other, by the time that a later one has. */
            async function passes(
                from: MqttClient,
                to: MqttClient,
                topic: string,
                last: [MqttClient, string],
            ): Promise<boolean> {
                const seen: string[] = [];
                const take = (name: string) => void seen.push(name);
                to.on("message", take);
                await to.subscribeAsync([topic, last[1]], { qos: 1 });
                await from.publishAsync(topic, "", { qos: 1 });
                await last[0].publishAsync(last[1], "", { qos: 1 });
                await until("the later one comes", () => seen.includes(last[1]));
                to.off("message", take);
                await to.unsubscribeAsync([topic, last[1]]);
                return seen.includes(topic);
            }

            const apply = (changed: Record<string, string>) =>
                applyFiles(broker, Object.assign(files, changed));

            let pump: MqttClient;
            let lamp: MqttClient;
            const lost: string[] = [];

            it("are let in as the name that is in it, with its grants", async () => {
                pump = await connect({ ...pairs.pump, clientId: "pump-1" });
                lamp = await connect({ ...pairs.lamp, clientId: "lamp-1" });
                for (const [name, client] of [
                    ["pump", pump],
                    ["lamp", lamp],
                ] as const) {
                    client.on("close", () => lost.push(name));
                }
                const end: [MqttClient, string] = [pump, "all"];
                assert.equal(await passes(pump, pump, "devices/pump/a", end), true);
                await assert.rejects(passes(pump, pump, "devices/lamp/a", end), /Subscribe error/);
                assert.equal(await passes(pump, pump, "client/pump-1/a", end), true);
            });

            it("are refused without one, and with one by another CA", async () => {
                await refused({});
                await refused({ ...pairs.foreign });
            });

            if (mode === "optional") {
                it("are beside those with passwords, whose port asks for none", async () => {
                    const ada = await connect({ username: "ada", password: PASSWORD });
                    await ada.endAsync();
                    await refused({ username: "pump", password: PASSWORD });
                });
            } else {
                it("are alone: nobody gets in by a password", async () => {
                    await refused({ username: "ada", password: PASSWORD });
                });
            }

            it("of another CA are let in once that is trusted too, and nobody loses a connection", async () => {
                await refused({ ...pairs.next });
                const other = await nextList(
                    {
                        caCertPem: nextAuthority.pem,
                        caKeyPem: await keyOf(nextAuthority),
                        names: ["next"],
                        certificates: { next: pairs.next!.cert },
                    },
                    undefined,
                    new Date(),
                );
                await apply({
                    "client-ca.crt": `${authority.pem}\n${nextAuthority.pem}\n`,
                    "client-ca.crl": fileOf(list) + fileOf(other),
                });
                await (await connect({ ...pairs.next })).endAsync();
                await (await connect({ ...pairs.pump })).endAsync();
                assert.deepEqual(lost, []);
                rest = fileOf(other);
            });

            it("that are removed are cut off, and nobody else", async () => {
                list = await listOf(["lamp"]);
                await apply({
                    acl: aclOf(["lamp", "next"], ["pump"]),
                    "client-ca.crl": fileOf(list) + rest,
                });
                await until("it is cut off", () => lost.includes("pump"));
                await refused({ ...pairs.pump });
                assert.equal(await passes(lamp, lamp, "of/lamp/a", [lamp, "all"]), true);
                assert.deepEqual(lost, ["pump"]);
            });

            it("that are removed are refused when they come back, also after a restart", async () => {
                await broker.stop();
                await broker.start();
                await refused({ ...pairs.pump });
                for (const name of ["lamp", "next"]) {
                    await (await connect({ ...pairs[name] })).endAsync();
                }
            });

            it("that is a user with a password from now on is cut off too, on each connection", async () => {
                const theirs = [await connect({ ...pairs.lamp }), await connect({ ...pairs.lamp })];
                const other = await connect({ ...pairs.next });
                list = await listOf([]);
                // What may fail: it is made up for by the next apply, also where nothing else is left to do.
                const pub = "/usr/bin/mosquitto_pub";
                await broker.exec("mv", pub, `${pub}.away`);
                await assert.rejects(
                    apply({ "client-ca.crl": fileOf(list) + rest }),
                    /files are installed, but the broker did not take .*; try again/,
                );
                await broker.exec("mv", `${pub}.away`, pub);
                await broker.exec("sh", "-c", "broker-files apply </run/given");
                await until("they are cut off", () => theirs.every((one) => !one.connected));
                await refused({ ...pairs.lamp });
                assert.ok(other.connected);
                if (mode === "optional") await connect({ username: "lamp", password: PASSWORD });
            });

            it("cannot be cut off by a user, even by one who may do everything", async () => {
                if (mode === "required") pairs.ada = await pairFor("ada", authority);
                const ada = await connect(
                    mode === "required" ? pairs.ada! : { username: "ada", password: PASSWORD },
                );
                const other = await connect({ ...pairs.next });
                const commands = ["createClient", "deleteClient"].map((command) => {
                    return { command, username: "next" };
                });
                await ada
                    .publishAsync("$CONTROL/dynamic-security/v1", JSON.stringify({ commands }), {
                        qos: 1,
                    })
                    .catch(() => undefined);
                await other.publishAsync("devices/next/a", "", { qos: 1 });
                assert.ok(other.connected);
            });

            it("are checked before they change: a list that is none changes nothing", async () => {
                const wrong = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
                await assert.rejects(
                    applyFiles(broker, { ...files, "client-ca.crl": wrong }),
                    /would not take the files[^]*revocation/,
                );
                await (await connect({ ...pairs.next })).endAsync();
            });
        });
    }
}
