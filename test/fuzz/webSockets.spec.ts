/** Fuzzes the WebSocket port: with HTTP, with frames, and with MQTT inside them. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { SERIES, WEBSOCKETS_PORT } from "../../broker/conf.ts";
import { CONF } from "../../dev/harness/brokerConf.ts";
import { malformedFrames, malformedUpgrade, ping } from "./support/frames.ts";
import { Sender, type Stage } from "./support/sender.ts";
import { HOSTNAME, MORE_MB, SAMPLE, SEED, Target, USERS } from "./support/target.ts";

/** 100,000 in a whole run, both series together. */
const COUNTS: Record<Stage, number> = {
    "before upgrade": SAMPLE ? 300 : 10_000,
    "before login": SAMPLE ? 600 : 20_000,
    "after login": SAMPLE ? 600 : 20_000,
};
const STAGES = Object.keys(COUNTS) as Stage[];
const BATCH = 250;
const PINGS = 20_000;

/**
 * Mosquitto 2.1.2 keeps a connection that ends inside a ping or a close frame until its keepalive, or before
 * login until 30 seconds, have passed: see docs/malformed.md.
 */
const GIVE_UP_MS = 2000;
const FORGOTTEN_MS = 60_000;

/**
 * Sent without ending, and the number that the broker must close: the others may be half of something valid.
 */
const WATCHED = 32;
const ENDED = 8;
const WATCHED_MS = 5000;

for (const series of SERIES) {
    describe(`WebSocket port of Mosquitto ${series} (seed ${SEED})`, function () {
        this.timeout(0);
        // Frames without content crash Mosquitto 2.1.2: see docs/malformed.md.
        const frames = malformedFrames(series !== "2.1");
        let target: Target;
        let sender: Sender;

        before(async () => {
            target = await Target.start(series, { ...CONF, webSockets: "broker" });
            sender = new Sender({
                ...{ host: await target.broker.privateAddress(), port: WEBSOCKETS_PORT },
                ...{ hostname: HOSTNAME, caPem: target.authority.pem, webSockets: true },
                ...{ username: "fuzz", password: USERS.fuzz },
                ...(series === "2.1" && { giveUpAfter: GIVE_UP_MS }),
            });
            for (const stage of STAGES) await send(stage, 500, 1);
            await target.remember();
        });
        after(async () => {
            await target?.remove();
        });

        const malformedAt = (stage: Stage, numRuns: number, seed: number) =>
            fc.sample(stage === "before upgrade" ? malformedUpgrade : frames, { numRuns, seed });

        async function send(stage: Stage, count: number, seed: number): Promise<void> {
            for (let from = 0; from < count; from += BATCH) {
                const numRuns = Math.min(BATCH, count - from);
                await sender.sendAll(malformedAt(stage, numRuns, seed + from), stage);
            }
        }

        for (const stage of STAGES) {
            it(`survives ${COUNTS[stage]} malformed inputs ${stage}`, async () => {
                await target.standsFirm(COUNTS[stage], () => send(stage, COUNTS[stage], SEED));
            });

            it(`closes connections with malformed input ${stage}`, async () => {
                const things = malformedAt(stage, WATCHED, SEED);
                const ended = await sender.endedByBroker(things, stage, WATCHED_MS);
                assert.ok(ended >= ENDED, `${ended} of ${WATCHED}`);
            });
        }

        for (const stage of ["before login", "after login"] as const) {
            it(`survives ${PINGS} pings ${stage} from a client that reads no answer`, async () => {
                await target.standsFirm(PINGS, () =>
                    sender.flood(Buffer.concat(Array<Buffer>(PINGS).fill(ping)), stage),
                );
            });
        }

        it("keeps another client's session, which still receives messages", () =>
            target.bystanderNoticedNothing());

        it(`holds at most ${MORE_MB} MB more than before`, () =>
            target.memoryReturned(FORGOTTEN_MS));
    });
}
