/** Whatever comes over the wire, the broker goes on, others notice nothing, and it holds no more for it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { MqttClient } from "mqtt";
import { SERIES } from "../../broker/conf.ts";
import { say } from "../../toolchain/process.ts";
import { logInTo } from "../support/brokerClient.ts";
import {
    BrokerContainer,
    buildBroker,
    givenConf,
    passwordLine,
} from "../support/brokerContainer.ts";
import { issue, makeAuthority } from "../support/certificates.ts";
import { malformed } from "./support/mutations.ts";
import { Sender, type Stage } from "./support/sender.ts";

const HOSTNAME = "appkata-fuzz.fly.dev";
const USERS = { bystander: "the bystander's password", fuzz: "the fuzzer's password" };

/** In `npm test` always the same ones; `npm run test:fuzz` takes others each time, or `-- wire SEED`. */
const wanted = process.env.APPKATA_CASES ?? "sample";
const COUNT = wanted === "sample" ? 1000 : 50_000;
const SEED = wanted === "sample" ? 5 : /^-?\d+$/.test(wanted) ? Number(wanted) : Date.now();
const BATCH = 1000;

/** A line for each connection that the broker ended for what came over it. */
const REFUSED = /disconnected(:| due to) (protocol error|malformed packet|oversize packet)/gi;

/** What the broker may hold more afterwards, since the allocator keeps some of what it once had. */
const MORE_MB = 4;
const RETURN_MS = 10_000;

for (const series of SERIES) {
    describe(`MQTT wire of Mosquitto ${series} (seed ${SEED})`, function () {
        this.timeout(0);
        let broker: BrokerContainer;
        let bystander: MqttClient;
        let sender: Sender;
        let lost = 0;
        let process: unknown;
        let megabytes: number;

        before(async () => {
            const authority = await makeAuthority();
            const certificate = await issue(authority, [HOSTNAME]);
            const lines = Object.entries(USERS).map(([name, word]) => passwordLine(name, word));
            const grants = Object.keys(USERS).map((name) => `user ${name}\ntopic ${name}/#\n`);
            broker = await BrokerContainer.create({
                image: await buildBroker(series),
                files: {
                    "/run/appkata/server.crt": certificate.chain,
                    "/run/appkata/server.key": certificate.key,
                    "/run/appkata/passwd": lines.join(""),
                    "/run/appkata/acl": grants.join(""),
                    ...givenConf(),
                },
            });
            await broker.start();
            bystander = await logInTo(broker, authority, {
                ...{ username: "bystander", password: USERS.bystander, servername: HOSTNAME },
                ...{ clientId: "bystander", clean: false, keepalive: 5 },
            });
            bystander.on("close", () => lost++);
            await bystander.subscribeAsync("bystander/#", { qos: 1 });
            sender = new Sender({
                ...{ port: await broker.port(), hostname: HOSTNAME, caPem: authority.pem },
                ...{ username: "fuzz", password: USERS.fuzz },
            });
            // Once all of it has been in memory, to compare with.
            for (const stage of ["before login", "after login"] as const) await send(stage, 500, 1);
            process = await processOf();
            megabytes = await heldMb();
        });
        after(async () => {
            bystander?.end(true);
            await broker?.remove();
        });

        async function send(stage: Stage, count: number, seed: number): Promise<void> {
            for (let from = 0; from < count; from += BATCH) {
                const numRuns = Math.min(BATCH, count - from);
                const packets = fc.sample(malformed, { numRuns, seed: seed + from });
                await sender.sendAll(packets, stage);
            }
        }

        const processOf = async () => {
            const { State } = await broker.container.inspect();
            return [State.Pid, State.StartedAt];
        };
        const heldMb = async () => {
            const status = await broker.exec("cat", "/proc/1/status");
            return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
        };

        for (const stage of ["before login", "after login"] as const) {
            it(`takes ${COUNT} malformed packets ${stage}`, async () => {
                const logged = (await broker.log()).length;
                const begun = Date.now();
                await send(stage, COUNT, SEED);
                const log = (await broker.log()).slice(logged);
                const refused = log.match(REFUSED)?.length ?? 0;
                const seconds = ((Date.now() - begun) / 1000).toFixed(0);
                if (wanted !== "sample")
                    say(`${COUNT} in ${seconds} s, ${refused} of them refused`);
                assert.deepEqual(await processOf(), process, log.slice(-2000));
                assert.ok(refused > COUNT / 2, `only ${refused} were malformed to the broker`);
            });
        }

        it("has not lost the session of somebody else, who still gets messages", async () => {
            const message = new Promise<string>((resolve) =>
                bystander.once("message", (topic, payload) =>
                    resolve(`${topic} ${payload.toString()}`),
                ),
            );
            await bystander.publishAsync("bystander/a", "still here", { qos: 1 });
            assert.equal(await message, "bystander/a still here");
            assert.equal(lost, 0);
        });

        it(`holds at most ${MORE_MB} MB more than before`, async () => {
            const deadline = Date.now() + RETURN_MS;
            let now = await heldMb();
            while (now > megabytes + MORE_MB && Date.now() < deadline) now = await heldMb();
            if (wanted !== "sample")
                say(`${megabytes.toFixed(1)} MB before, ${now.toFixed(1)} after`);
            assert.ok(now <= megabytes + MORE_MB, `${megabytes} MB before, ${now} MB after`);
        });
    });
}
