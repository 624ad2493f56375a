// core
/** A replacement that is the same object: its create has adopted it, so its delete must not delete it. */
import assert from "node:assert/strict";
import * as providers from "../../providers/entry.ts";
import type { Provider } from "../../providers/provider.ts";
import { succeeding } from "../../providers/succession.ts";
import { outsOf, OWNER } from "./support/flyFixture.ts";
import { MachineFixture } from "./support/machineFixture.ts";

type Props = Record<string, unknown>;
type AnyProvider = Provider<Props, Props>;

describe("succession of a replaced resource", function () {
    this.timeout(60_000);
    const on = new MachineFixture({ settings: { volumeReleaseMs: 0 } });

    const KINDS: Record<string, { provider: unknown; inputs: () => Props | Promise<Props> }> = {
        app: {
            provider: providers.App,
            inputs: async () => {
                // An app that holds our machine has a proven owner.
                await providers.Machine.create(on.inputs());
                return { ...on.place, name: on.app, organization: "personal", owner: OWNER };
            },
        },
        address: { provider: providers.IpAddress, inputs: () => ({ ...on.place, type: "v4" }) },
        certificate: {
            provider: providers.Certificate,
            inputs: () => ({ ...on.place, hostname: "mqtt.example.com" }),
        },
        secrets: {
            provider: providers.Secrets,
            inputs: () => ({ ...on.place, names: ["A"], files: { a: "1\n" } }),
        },
        volume: {
            provider: providers.Volume,
            inputs: () => ({ ...on.place, name: "data", region: "lhr", sizeGb: 1, owner: OWNER }),
        },
        machine: {
            provider: providers.Machine,
            inputs: () => ({ ...on.inputs() }),
        },
    };

    for (const [kind, { provider, inputs }] of Object.entries(KINDS)) {
        /** In a separate run of the engine. */
        const anew = () =>
            succeeding<Props, Props>(kind, provider as AnyProvider, { declaring: false });
        const deletions = async (work: () => Promise<unknown>) =>
            (await on.requestsOf(work)).filter(
                (line) => line.startsWith("DELETE") && !line.includes("/lease"),
            );
        const isThere = async (id: string, props: Props) =>
            ((await anew().read(id, props)) as { id?: string }).id === id;

        it(`keeps the ${kind} that the successor adopted, in the same run`, async () => {
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

        it(`keeps it in the next run, to which the first left the deletion of the ${kind}`, async () => {
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

        it(`deletes a ${kind} that a refresh has diffed and the program no longer declares`, async () => {
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
