// core
/** Resources that the data or the clients' access depend on are not deleted while a setting protects them. */
import assert from "node:assert/strict";
import { App, Machine, Volume } from "../../providers/entry.ts";
import type { Provider } from "../../providers/provider.ts";
import { failureOf, FlyFixture, OWNER } from "./support/flyFixture.ts";

type Props = Record<string, unknown>;

function without(props: Props): Props {
    return Object.fromEntries(Object.entries(props).filter(([key]) => key !== "protectedBy"));
}

const SETTING = "appkata-mqtt:protectVolume";

describe("protection", () => {
    const on = new FlyFixture();

    const base = () => ({ endpoint: on.endpoint, owner: OWNER, protectedBy: SETTING });
    /** `moved`: a change that replaces it. */
    const KINDS: Record<string, { provider: unknown; props: () => Props; moved?: Props }> = {
        app: {
            provider: App,
            props: () => ({ ...base(), name: "mine", organization: "personal" }),
            moved: { name: "other", onReplace: "discard" },
        },
        volume: {
            provider: Volume,
            props: () => ({ ...base(), app: "mine", name: "data", region: "lhr", sizeGb: 1 }),
            moved: { region: "ams", onReplace: "discard" },
        },
        machine: {
            provider: Machine,
            props: () => {
                const config = { image: "registry.example/mine@sha256:0" };
                return { ...base(), app: "mine", name: "mosquitto", region: "lhr", config };
            },
        },
    };

    for (const [kind, { provider: any, props, moved }] of Object.entries(KINDS)) {
        const provider = any as Provider<Props, Props>;

        it(`of the ${kind}: its deletion fails before any request that changes something, and names the setting`, async () => {
            const requests = await on.requestsOf(async () => {
                const { message } = await failureOf(provider.delete("x", props()));
                assert.match(message, new RegExp(`not deleted: \`${SETTING}\` is true`));
                assert.match(message, new RegExp(`\`pulumi config set ${SETTING} false\``));
            });
            assert.deepEqual(
                requests.filter((line) => !line.startsWith("GET")),
                [],
            );
        });

        if (moved)
            it(`of the ${kind}: a change that replaces it is refused by check`, async () => {
                const { failures } = await provider.check(props(), { ...props(), ...moved });
                const said = (failures ?? []).map(({ reason }) => reason).join("\n");
                assert.match(said, new RegExp(`would replace the ${kind}.*${SETTING} false`));
                const free = without({ ...props(), ...moved });
                assert.deepEqual((await provider.check(props(), free)).failures, []);
            });

        it(`of the ${kind}: switching it is recorded, and replaces nothing`, async () => {
            const free = without(props());
            for (const [olds, news] of [
                [props(), free],
                [free, props()],
            ] as const) {
                const { changes, replaces } = await provider.diff("x", olds, news);
                assert.deepEqual({ changes, replaces }, { changes: true, replaces: [] });
            }
        });
    }
});
