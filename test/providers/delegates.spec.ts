import assert from "node:assert/strict";
import { createRequire } from "node:module";
import type * as pulumi from "@pulumi/pulumi";
import { withoutTraces } from "../../providers/provider.ts";
import { delegateText, METHODS, type ProviderName } from "../../providers/delegates.ts";
import * as host from "../../providers/host.ts";

/** Loads a provider as the dynamic host does, with the module of its own dependencies. */
const pulumiRequire = createRequire(import.meta.resolve("@pulumi/pulumi"));
const requireFromString = pulumiRequire("require-from-string") as (code: string) => {
    handler(): Required<pulumi.dynamic.ResourceProvider>;
};

describe("delegate", () => {
    const token = "fo1_what-must-not-get-into-the-state";
    let before: string | undefined;

    beforeEach(() => {
        before = process.env.FLY_API_TOKEN;
        process.env.FLY_API_TOKEN = token;
    });

    afterEach(() => {
        if (before === undefined) {
            delete process.env.FLY_API_TOKEN;
        } else {
            process.env.FLY_API_TOKEN = before;
        }
    });

    for (const type of Object.keys(host) as ProviderName[]) {
        describe(type, () => {
            it("delegates every method to its own provider", () => {
                assert.ok(
                    delegateText(type).includes(`import("appkata-mqtt/providers")).${type};`),
                );
                const provider = requireFromString(delegateText(type)).handler();
                assert.deepEqual(Object.keys(provider), [...METHODS]);
                for (const method of METHODS) assert.equal(typeof host[type][method], "function");
            });

            it("is small and captures nothing", () => {
                const text = delegateText(type);
                assert.ok(text.length < 600, `${text.length} characters`);
                assert.ok(!text.includes(token));
                assert.doesNotMatch(text, /require\(|process|__/);
            });

            it("works as the dynamic host loads it", async () => {
                const provider = requireFromString(delegateText(type)).handler();
                const values: Record<string, string> = {};
                await provider.configure({
                    config: {
                        get: (key) => values[key],
                        require: (key) => values[key] ?? assert.fail(key),
                    },
                });
                const news = {
                    name: "n",
                    prefix: "p",
                    user: "u",
                    iterations: 1000,
                    config: { image: "i" },
                    files: {},
                    users: [],
                    names: [],
                };
                const checked = await provider.check({}, news);
                assert.deepEqual(checked.inputs, news);
            });
        });
    }

    it("shows a stack trace only for bugs in the code", async () => {
        const provider = withoutTraces({
            read: () => Promise.reject(new Error("not there")),
            delete: () => (undefined as unknown as { id: () => Promise<void> }).id(),
        });
        const said = await provider.read().catch((error: Error) => error);
        assert.equal(said.message, "not there");
        assert.equal(said.stack, "");
        const wrong = await provider.delete().catch((error: Error) => error);
        assert.match((wrong as Error).stack ?? "", /delegates\.spec/);
    });
});
