/** Two users who believe a stack is theirs, without a lock between them; and a person with a lease. */
import assert from "node:assert/strict";
import { startLocalFly, type LocalFly } from "../../dev/fly/index.ts";
import { Api } from "../../dev/harness/api.ts";
import { pushImage } from "../../dev/harness/image.ts";
import { isDeployed, isGone, keepsSecrets, saysClearly } from "./support/invariants.ts";
import type { ProgramRun } from "../../dev/harness/programStack.ts";
import { SmallStack } from "./support/smallStack.ts";
import { until } from "../../dev/harness/until.ts";

const SETTINGS = {
    memoryMb: 256,
    volumeSizeGb: 1,
    secret: "of-the-writers",
    ipv4: true,
    port: 1883,
};

/** Its repository holds only the image. */
const IMAGES = "writers-images";

describe("two writers", function () {
    this.timeout(600_000);
    let fly: LocalFly;
    let api: Api;
    let image: string;

    before(async () => {
        const settings = { volumeReleaseMs: 300, appDeleteMs: 100, restartBackoffMs: 200 };
        fly = await startLocalFly({ settings });
        api = new Api(fly);
        await api.app(IMAGES);
        image = await pushImage(fly, IMAGES);
    });
    after(() => fly?.close());

    /** Asserts that both succeed, or one does and the other reports what was in its way. */
    async function onePrevails(
        stacks: readonly SmallStack[],
        run: (stack: SmallStack) => Promise<ProgramRun>,
    ): Promise<void> {
        const ends = await Promise.all(stacks.map(run));
        assert.ok(
            ends.some(({ code }) => code === 0),
            ends.map(({ output }) => output).join("\n"),
        );
        for (const [at, stack] of stacks.entries()) {
            keepsSecrets(stack, ends[at]);
            if (ends[at]!.code !== 0) saysClearly(ends[at]!);
        }
    }

    describe("with a backend each", () => {
        let stacks: SmallStack[];

        before(async () => {
            stacks = [
                await SmallStack.make(fly, "both", image, SETTINGS),
                await SmallStack.make(fly, "both", image, SETTINGS),
            ];
        });
        after(() => stacks?.forEach((stack) => stack.remove()));
        afterEach(() => api.ok("DELETE", "/_local/faults"));

        /** In turn: the other's secrets are drift, because Fly shows no values and their numbers differ. */
        async function eachConverges(): Promise<void> {
            for (const stack of stacks) {
                await stack.must(stack.up("--refresh"));
                await isDeployed(stack);
            }
        }

        it("create one of each in two first ups at once", async () => {
            // Fly shows each new resource late, so neither sees the other's in time.
            const path = "/v1/apps/both/*";
            const action = { type: "delay", ms: 3000 };
            const rules = [{ method: "POST", path, times: 0, action }];
            await api.ok("POST", "/_local/faults", { rules });
            await onePrevails(stacks, (stack) => stack.up());
        });

        it("converge in turn", async () => {
            await eachConverges();
        });

        it("bring one machine to what both declare in two updates at once", async () => {
            for (const stack of stacks) {
                stack.configure({ memoryMb: 512, volumeSizeGb: 2, secret: "of-both-of-them" });
            }
            await onePrevails(stacks, (stack) => stack.up());
            await eachConverges();
        });

        it("leave nothing in two destroys at once", async () => {
            await onePrevails(stacks, (stack) => stack.destroy());
            for (const stack of stacks) await stack.must(stack.destroy());
            for (const stack of stacks) await isGone(stack);
        });
    });

    describe("with a person who holds a lease on the machine", () => {
        let stack: SmallStack;

        before(async () => {
            stack = await SmallStack.make(fly, "leased", image, SETTINGS);
            await stack.must(stack.up());
        });
        after(() => stack?.remove());

        /** @returns a function that ends the lease */
        async function lease(): Promise<() => Promise<unknown>> {
            const { app } = stack;
            const [machine] = await api.ok<{ id: string }[]>("GET", `/apps/${app}/machines`);
            const path = `/apps/${app}/machines/${machine!.id}/lease`;
            const body = { ttl: 600, description: "a person at work" };
            const { data } = await api.ok<{ data: { nonce: string } }>("POST", path, body);
            const nonce = { "fly-machine-lease-nonce": data.nonce };
            return () => api.ok("DELETE", path, undefined, nonce);
        }

        /** Ends the lease once a run has met it, and no earlier. */
        async function waitsFor(end: () => Promise<unknown>, run: Promise<ProgramRun>) {
            await api.ok("DELETE", "/_local/journal");
            const refused = async () => {
                const entries = await api.journal();
                return entries.some(({ status }) => status === 409);
            };
            const ended = run.then(() => true);
            await until("a request is refused", () => Promise.race([refused(), ended]), {
                withinMs: 60_000,
            });
            assert.equal(await refused(), true, "nothing was in its way");
            await end();
            await stack.must(run);
        }

        it("an update waits until the lease ends", async () => {
            stack.configure({ memoryMb: 512 });
            await waitsFor(await lease(), stack.up());
            await isDeployed(stack);
        });

        it("an update that times out names the lease's owner, and changes nothing", async () => {
            stack.configure({ memoryMb: 1024, timeoutS: 3 });
            const end = await lease();
            const ended = await stack.up();
            assert.notEqual(ended.code, 0);
            saysClearly(ended);
            assert.match(ended.output, /was leased by someone else for the whole 3 s: .*held by/);
            await end();
            stack.configure({ timeoutS: 60 });
            await stack.must(stack.up());
            await isDeployed(stack);
        });

        it("a destroy waits until the lease ends", async () => {
            await waitsFor(await lease(), stack.destroy());
            await isGone(stack);
        });
    });
});
