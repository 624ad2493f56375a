// core
/**
 * Fuzzes MQTT over TLS: the broker keeps running, other clients notice nothing, and its memory does not grow.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { SERIES } from "../../broker/conf.ts";
import { say } from "../../lib/process.ts";
import { malformed } from "./support/mutations.ts";
import { Sender, type Stage } from "./support/sender.ts";
import { HOSTNAME, MORE_MB, SAMPLE, SEED, Target, USERS } from "./support/target.ts";

const COUNT = SAMPLE ? 1000 : 50_000;
const BATCH = 1000;

/** The log's line for each connection that the broker closed because of its input. */
const REFUSED = /disconnected(:| due to) (protocol error|malformed packet|oversize packet)/gi;

for (const series of SERIES) {
    describe(`MQTT wire of Mosquitto ${series} (seed ${SEED})`, function () {
        this.timeout(0);
        let target: Target;
        let sender: Sender;

        before(async () => {
            target = await Target.start(series);
            sender = new Sender({
                ...{ port: await target.broker.port(), hostname: HOSTNAME },
                ...{ caPem: target.authority.pem, username: "fuzz", password: USERS.fuzz },
            });
            for (const stage of ["before login", "after login"] as const) await send(stage, 500, 1);
            await target.remember();
        });
        after(async () => {
            await target?.remove();
        });

        async function send(stage: Stage, count: number, seed: number): Promise<void> {
            for (let from = 0; from < count; from += BATCH) {
                const numRuns = Math.min(BATCH, count - from);
                const packets = fc.sample(malformed, { numRuns, seed: seed + from });
                await sender.sendAll(packets, stage);
            }
        }

        for (const stage of ["before login", "after login"] as const) {
            it(`survives ${COUNT} malformed packets ${stage}`, async () => {
                const log = await target.standsFirm(COUNT, () => send(stage, COUNT, SEED));
                const refused = log.match(REFUSED)?.length ?? 0;
                if (!SAMPLE) say(`${refused} of them refused`);
                assert.ok(refused > COUNT / 2, `only ${refused} were malformed to the broker`);
            });
        }

        it("keeps another client's session, which still receives messages", () =>
            target.bystanderNoticedNothing());

        it(`holds at most ${MORE_MB} MB more than before`, () => target.memoryReturned());
    });
}
