import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { SERIES } from "../../broker/conf.ts";
import { ensureBaseImage } from "../../dev/toolchain/base-image/index.ts";
import { ensureFaketime } from "../../dev/toolchain/testTools.ts";
import { logInTo, openTo, retained } from "../support/brokerClient.ts";
import {
    BASE_IMAGES,
    BROKER_CONTEXT,
    BrokerContainer,
    buildBroker,
} from "../../dev/harness/brokerContainer.ts";
import { ADA, filesForAda } from "../support/brokerFixture.ts";
import { makeAuthority, type Authority } from "../../dev/harness/certificates.ts";
import { until } from "../../dev/harness/until.ts";

const DEVICE = { ...ADA, clientId: "device", clean: false };
const BROKER = ["/usr/sbin/mosquitto", "-c", "/etc/mosquitto/mosquitto.conf"];
const LIBRARY = "/usr/local/lib/libfaketime.so.1";
const JUMPING_DATE = "/usr/local/bin/jumping-date";
const OFFSET = "/etc/faketimerc";
/** Changes the wall clock only; the monotonic clock goes on, as when a real clock jumps. */
const JUMPING = ["env", "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"];
/** For scripts: the shell's built-in `date` loads no libc that a preloaded library could replace. */
const DATE = `#!/bin/sh
case $(cat ${OFFSET}) in +3650d) add=315360000 ;; -1d) add=-86400 ;; *) add=0 ;; esac
exec /bin/date -d "@$(($(/bin/date +%s) + add))" "$@"
`;

for (const series of SERIES) {
    describe(`clock that jumps under Mosquitto ${series}`, function () {
        this.timeout(60_000);
        let authority: Authority;
        let broker: BrokerContainer;
        let next = 0;
        /** Acknowledged messages, in order. */
        const written: string[] = [];

        before(async function () {
            // The library is built for this machine's libc; the image made from Debian has the same.
            const { madeFrom } = await ensureBaseImage(BASE_IMAGES[series], () => undefined);
            if (madeFrom === undefined) this.skip();
            authority = await makeAuthority();
            const clock = await readFile(path.join(BROKER_CONTEXT, "broker-clock"), "utf8");
            broker = await BrokerContainer.create({
                image: await buildBroker(series),
                command: [...JUMPING, ...BROKER],
                programs: {
                    [JUMPING_DATE]: DATE,
                    "/usr/local/lib/broker-clock": clock.replace("date +%s", `${JUMPING_DATE} +%s`),
                },
                host: { RestartPolicy: { Name: "always" } },
                files: {
                    [LIBRARY]: await readFile(await ensureFaketime()),
                    [OFFSET]: "+0",
                    "/etc/ld.so.preload": LIBRARY,
                    ...(await filesForAda(authority)),
                },
            });
            await broker.start();
            const device = await logInTo(broker, authority, DEVICE);
            await device.subscribeAsync("queued", { qos: 1 });
            await device.endAsync();
        });
        after(async () => {
            await broker.remove();
        });

        /** Leaves another retained and another queued message, if the broker takes them. */
        async function write(): Promise<void> {
            const client = await logInTo(broker, authority, ADA);
            const closed = new Promise<never>((_, reject) => {
                client.once("close", () => reject(new Error("closed")));
            });
            closed.catch(() => undefined);
            const publish = async () => {
                const text = String(next++).padStart(4, "0");
                await client.publishAsync(`kept/${text}`, text, { qos: 1, retain: true });
                await client.publishAsync("queued", text, { qos: 1 });
                written.push(text);
            };
            await Promise.race([publish(), closed]).finally(() => client.end(true));
        }

        async function expectKept(): Promise<void> {
            const found = await retained(broker, authority, ADA, "kept");
            assert.deepEqual(
                written.filter((text) => !found.has(`kept/${text}`)),
                [],
            );
        }

        /** Publishes until the log shows the new day. */
        async function jump(offset: string, days: number): Promise<void> {
            const seen = (await broker.log()).length;
            await broker.put({ [OFFSET]: offset });
            const day = new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
            await until(
                `the log shows ${day}`,
                async () => {
                    await write().catch(() => undefined);
                    return (await broker.log()).slice(seen).includes(`\n${day}T`);
                },
                { everyMs: 200 },
            );
        }

        for (const [what, offset, days] of [
            ["ten years ahead", "+3650d", 3650],
            ["back to now", "+0", 0],
            ["back by a day", "-1d", -1],
        ] as const) {
            it(`${what} loses nothing, and the broker serves clients`, async () => {
                await write();
                const seen = (await broker.log()).length;
                const since = async () => (await broker.log()).slice(seen);
                // A broker that counts seconds by the wall clock disconnects this client. 2.0 does.
                const inside = await logInTo(broker, authority, { ...ADA, keepalive: 1 });
                let cutOff = false;
                inside.on("close", () => (cutOff = true));
                await jump(offset, days);
                if (series === "2.1" && days > 0) {
                    await new Promise((resolve) => setTimeout(resolve, 3000));
                    assert.ok(!cutOff);
                }
                if (series === "2.1" && days <= 0) {
                    await until("the broker runs again", async () =>
                        /running$/m.test(await since()),
                    );
                    assert.match(await since(), /Warning: the clock went back by \d+ s/);
                }
                await until("the broker takes a message", () =>
                    write().then(
                        () => true,
                        () => false,
                    ),
                );
                inside.end(true);
                // 2.0 promises to keep what is older than one second.
                await new Promise((resolve) => setTimeout(resolve, 1000));
                await broker.kill();
                await broker.start();
                await expectKept();
            });
        }

        it("leaves the queue complete and in order", async () => {
            const device = await openTo(broker, authority, DEVICE);
            const queue: string[] = [];
            device.on("message", (_topic, payload) => queue.push(payload.toString()));
            await until("the last message arrives", () => queue.includes(written.at(-1)!));
            assert.deepEqual(
                queue.filter((text) => written.includes(text)),
                written,
            );
            await device.endAsync();
        });
    });
}
