import assert from "node:assert/strict";
import { createRequire } from "node:module";
import * as pulumi from "@pulumi/pulumi";
import * as delegates from "../../providers/delegates.ts";
import * as entry from "../../providers/entry.ts";

const METHODS = ["configure", "check", "diff", "create", "read", "update", "delete"] as const;

/** As the dynamic host loads a provider, with the module of its own dependencies. */
const pulumiRequire = createRequire(import.meta.resolve("@pulumi/pulumi"));
const requireFromString = pulumiRequire("require-from-string") as (code: string) => {
    handler(): Required<pulumi.dynamic.ResourceProvider>;
};

async function serialise(delegate: pulumi.dynamic.ResourceProvider) {
    // As pulumi.dynamic.Resource does it.
    return await pulumi.runtime.serializeFunction(() => delegate, { allowSecrets: true });
}

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

    it("is there for each provider", () => {
        assert.deepEqual(
            Object.keys(delegates)
                .map((key) => key.replace(/^delegate/, ""))
                .sort(),
            Object.keys(entry).sort(),
        );
    });

    for (const [exported, delegate] of Object.entries(delegates)) {
        const type = exported.replace(/^delegate/, "") as keyof typeof entry;

        describe(type, () => {
            it("has every method, each handing over to its own provider's", () => {
                assert.deepEqual(Object.keys(delegate), [...METHODS]);
                for (const method of METHODS) {
                    const text = delegate[method].toString();
                    assert.match(
                        text,
                        new RegExp(
                            String.raw`^async ${method}\(([a-z, ]+)\) \{ return ` +
                                String.raw`\(await import\("appkata-mqtt/providers"\)\)\.${type}\.${method}\(\1\); \}$`,
                        ),
                    );
                    assert.equal(typeof entry[type][method], "function");
                }
            });

            it("is small, the same each time, and captures nothing", async () => {
                const [first, second] = [await serialise(delegate), await serialise(delegate)];
                assert.equal(first.text, second.text);
                assert.equal(first.containsSecrets, false);
                assert.ok(!first.text.includes(token));
                // Seven methods, of which Pulumi's own wrapping is two thirds.
                assert.ok(first.text.length < 2400, `${first.text.length} characters`);
                assert.deepEqual(first.text.match(/require\(/g), null);
            });

            it("works as the dynamic host loads it", async () => {
                const { text } = await serialise(delegate);
                const provider = requireFromString(text).handler();
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
                    values: {},
                };
                const checked = await provider.check({}, news);
                assert.deepEqual(checked.inputs, news);
            });
        });
    }
});
