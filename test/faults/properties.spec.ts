/**
 * Random sequences of what people, Fly and the network do to a deployment: after each, the next
 * `up --refresh` (or, if that fails, an `up`) brings it to the settings, and nothing else.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { startLocalFly, type LocalFly } from "../../dev/fly/index.ts";
import { pushImage } from "../../dev/harness/image.ts";
import { Api } from "../../dev/harness/api.ts";
import { putRight } from "./support/drifts.ts";
import {
    errorsOf,
    holdsOnly,
    isDeployed,
    isGone,
    keepsSecrets,
    saysClearly,
} from "./support/invariants.ts";
import { SmallStack } from "./support/smallStack.ts";
import { SEQUENCES, take, type Step } from "./support/steps.ts";

/** Sequences that once failed, as a failure prints them. */
const KEPT: Step[][] = [];

/**
 * The same in each `npm run test:all`; `npm run test:properties` takes new ones each time, or those of `--
 * SEED`.
 */
const wanted = process.env.APPKATA_CASES ?? "sample";
const RUNS = wanted === "sample" ? 4 : 40;
const SEED = wanted === "sample" ? 4 : /^-?\d+$/.test(wanted) ? Number(wanted) : Date.now();

describe("a deployment, whatever happens to it", function () {
    this.timeout(0);
    let fly: LocalFly;
    let image: string;
    let count = 0;
    const seen = { runs: 0, "with a fault": 0, "of them failed": 0 };

    before(async () => {
        const settings = { volumeReleaseMs: 200, appDeleteMs: 100, restartBackoffMs: 200 };
        fly = await startLocalFly({ settings });
        await new Api(fly).app("images");
        image = await pushImage(fly, "images");
    });
    after(() => fly.close());

    async function holds(steps: readonly Step[]): Promise<void> {
        const stack = await SmallStack.make(fly, `property-${++count}`, image, {
            memoryMb: 256,
            volumeSizeGb: 1,
            secret: `first-secret-of-${count}`,
            ipv4: true,
            port: 1883,
        });
        try {
            for (const step of steps) {
                const run = await take(stack, step);
                keepsSecrets(stack, run);
                if (!run) continue;
                seen.runs++;
                if (run.met) seen["with a fault"]++;
                if (run.code === 0) continue;
                if (run.met) seen["of them failed"]++;
                if (wanted !== "sample") console.log(`        ${errorsOf(run).join("\n        ")}`);
                saysClearly(run);
            }
            await putRight(stack);
            const first = await stack.up("--refresh");
            keepsSecrets(stack, first);
            if (first.code !== 0) {
                saysClearly(first);
                await stack.must(stack.up());
            }
            await isDeployed(stack);
            await stack.must(stack.destroy());
            await isGone(stack);
            await holdsOnly(fly, ["images"]);
        } finally {
            const api = new Api(fly);
            await api.ok("DELETE", "/_local/faults");
            await api.ok("DELETE", `/_local/apps/${stack.app}`);
            stack.remove();
        }
    }

    for (const [at, steps] of KEPT.entries()) {
        it(`reaches the declared state (kept sequence ${at + 1})`, () => holds(steps));
    }

    it("reaches the declared state", async () => {
        const property = fc.asyncProperty(SEQUENCES, async (steps) => {
            if (wanted !== "sample") console.log(`      ${JSON.stringify(steps)}`);
            await holds(steps);
        });
        const endOnFailure = wanted === "sample";
        const found = await fc.check(property, { numRuns: RUNS, seed: SEED, endOnFailure });
        console.log(`      ${RUNS} sequences (seed ${SEED}): ${JSON.stringify(seen)}`);
        if (!found.failed) {
            assert.ok(seen["with a fault"] > 0, "no fault came up");
            return;
        }
        const { seed, counterexample, counterexamplePath: path, errorInstance: error } = found;
        assert.fail(
            `Broken: ${error instanceof Error ? error.message : String(error)}\n` +
                `To KEPT:\n    ${JSON.stringify(counterexample?.[0])},\n` +
                `Seed ${seed}, path ${path}.`,
        );
    });
});
