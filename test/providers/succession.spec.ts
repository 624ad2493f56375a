// core
/** A replacement that turns out to be the same object: whose create has found it, whose delete must not. */
import assert from "node:assert/strict";
import * as providers from "../../providers/entry.ts";
import type { Provider } from "../../providers/provider.ts";
import { succeeding } from "../../providers/succession.ts";
import { pushImage } from "../../dev/harness/image.ts";
import { brokerLike, FlyFixture, OWNER, outsOf } from "./support/flyFixture.ts";

type Props = Record<string, unknown>;
type AnyProvider = Provider<Props, Props>;

describe("succession of a replaced resource", function () {
    this.timeout(60_000);
    let fixture: FlyFixture;
    let app: string;
    let count = 0;

    before(async () => {
        fixture = await FlyFixture.start({ settings: { volumeReleaseMs: 0 } });
    });
    after(() => fixture.close());
    beforeEach(async () => {
        app = `succession-${++count}`;
        await fixture.api.app(app);
    });

    const at = () => ({ endpoint: fixture.endpoint, app });
    const KINDS: Record<string, { provider: unknown; inputs: () => Props | Promise<Props> }> = {
        app: {
            provider: providers.App,
            inputs: async () => {
                // Of an app that holds a machine of ours there is no doubt whose it is.
                await providers.Machine.create(
                    brokerLike(fixture, app, await pushImage(fixture.fly, app)),
                );
                return { ...at(), name: app, organization: "personal", owner: OWNER };
            },
        },
        address: { provider: providers.IpAddress, inputs: () => ({ ...at(), type: "v4" }) },
        certificate: {
            provider: providers.Certificate,
            inputs: () => ({ ...at(), hostname: "mqtt.example.com" }),
        },
        secrets: {
            provider: providers.Secrets,
            inputs: () => ({ ...at(), names: ["A"], files: { a: "1\n" } }),
        },
        volume: {
            provider: providers.Volume,
            inputs: () => ({ ...at(), name: "data", region: "lhr", sizeGb: 1, owner: OWNER }),
        },
        machine: {
            provider: providers.Machine,
            inputs: async () => ({
                ...brokerLike(fixture, app, await pushImage(fixture.fly, app)),
            }),
        },
    };

    for (const [kind, { provider, inputs }] of Object.entries(KINDS)) {
        /** Of a run of the engine's own. */
        const anew = () =>
            succeeding<Props, Props>(kind, provider as AnyProvider, { declaring: false });
        const deletions = async (work: () => Promise<unknown>) =>
            (await fixture.requestsOf(work)).filter(
                (line) => line.startsWith("DELETE") && !line.includes("/lease"),
            );
        const isThere = async (id: string, props: Props) =>
            ((await anew().read(id, props)) as { id?: string }).id === id;

        it(`keeps the ${kind} that the successor is, in the same run`, async () => {
            const wanted = await inputs();
            const made = await anew().create(wanted);
            const run = anew();
            const requests = await deletions(async () => {
                const successor = await run.create(wanted);
                assert.equal(successor.id, made.id);
                await run.delete(made.id, outsOf(made));
            });
            assert.deepEqual(requests, []);
            assert.ok(await isThere(made.id, outsOf(made)));
        });

        it(`keeps it in the next run, which the first left the deletion of the ${kind} to`, async () => {
            const wanted = await inputs();
            const made = await anew().create(wanted);
            const { id, outs } = await anew().create(wanted);
            const next = anew();
            const requests = await deletions(async () => {
                await next.check(outs!, wanted);
                await next.diff(id, outs!, wanted);
                await next.delete(made.id, outsOf(made));
            });
            assert.deepEqual(requests, []);
            assert.ok(await isThere(made.id, outsOf(made)));
        });

        it(`deletes a ${kind} that a refresh has diffed and the program has no more`, async () => {
            const wanted = await inputs();
            const made = await anew().create(wanted);
            const run = anew();
            await run.diff(made.id, outsOf(made), wanted);
            await run.delete(made.id, outsOf(made));
            assert.equal(await isThere(made.id, outsOf(made)), false);
        });

        it(`deletes a ${kind} that is replaced by another, or no longer declared`, async () => {
            const wanted = await inputs();
            const made = await anew().create(wanted);
            const run = anew();
            await run.check(outsOf(made), wanted);
            await run.diff(made.id, outsOf(made), { ...wanted, app: "another", name: "another" });
            await run.delete(made.id, outsOf(made));
            assert.equal(await isThere(made.id, outsOf(made)), false);
        });
    }
});
