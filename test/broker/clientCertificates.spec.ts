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
/** A topic that no user is granted: a removed device might still use it. */
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
            /** Signed by the other CA. */
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

            /** The files, as in the machine's secret. */
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

            /** The TLS alert, which TLS 1.3 sends after the client's first packet, or CONNACK's refusal. */
            const REFUSED = /alert|ECONNRESET|EPIPE|closed|disconnected|not authorized/i;

            const refused = (options: IClientOptions) => assert.rejects(connect(options), REFUSED);

            /** Whether one client's message reaches the other before a later message does. */
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
                await until("the later message arrives", () => seen.includes(last[1]));
                to.off("message", take);
                await to.unsubscribeAsync([topic, last[1]]);
                return seen.includes(topic);
            }

            const apply = (changed: Record<string, string>) =>
                applyFiles(broker, Object.assign(files, changed));

            let pump: MqttClient;
            let lamp: MqttClient;
            const lost: string[] = [];

            it("log in as the name in their certificate, with its grants", async () => {
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

            it("are refused without a certificate, and with one from another CA", async () => {
                await refused({});
                await refused({ ...pairs.foreign });
            });

            if (mode === "optional") {
                it("have a port of their own; the password port asks for no certificate", async () => {
                    const ada = await connect({ username: "ada", password: PASSWORD });
                    await ada.endAsync();
                    await refused({ username: "pump", password: PASSWORD });
                });
            } else {
                it("are the only clients: no password works", async () => {
                    await refused({ username: "ada", password: PASSWORD });
                });
            }

            it("get in with the second CA once it is trusted, and no client is disconnected", async () => {
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

            it("are disconnected when removed, and no other client is", async () => {
                list = await listOf(["lamp"]);
                await apply({
                    acl: aclOf(["lamp", "next"], ["pump"]),
                    "client-ca.crl": fileOf(list) + rest,
                });
                await until("the removed client is disconnected", () => lost.includes("pump"));
                await refused({ ...pairs.pump });
                assert.equal(await passes(lamp, lamp, "of/lamp/a", [lamp, "all"]), true);
                assert.deepEqual(lost, ["pump"]);
            });

            it("stay out after removal when they reconnect, also after a restart", async () => {
                await broker.stop();
                await broker.start();
                await refused({ ...pairs.pump });
                for (const name of ["lamp", "next"]) {
                    await (await connect({ ...pairs[name] })).endAsync();
                }
            });

            it("are disconnected on every connection when their user gets a password", async () => {
                const theirs = [await connect({ ...pairs.lamp }), await connect({ ...pairs.lamp })];
                const other = await connect({ ...pairs.next });
                list = await listOf([]);
                // Makes the broker's commands fail: the next apply catches up, even with nothing else to do.
                const pub = "/usr/bin/mosquitto_pub";
                await broker.exec("mv", pub, `${pub}.away`);
                await assert.rejects(
                    apply({ "client-ca.crl": fileOf(list) + rest }),
                    /files are installed, but the broker did not take .*; try again/,
                );
                await broker.exec("mv", `${pub}.away`, pub);
                await broker.exec("sh", "-c", "broker-files apply </run/given");
                await until("all are disconnected", () => theirs.every((one) => !one.connected));
                await refused({ ...pairs.lamp });
                assert.ok(other.connected);
                if (mode === "optional") await connect({ username: "lamp", password: PASSWORD });
            });

            it("cannot be disconnected by a user, even one granted everything", async () => {
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

            it("are checked before a change: an invalid revocation list changes nothing", async () => {
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
