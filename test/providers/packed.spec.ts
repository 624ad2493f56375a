import assert from "node:assert/strict";
import { pack, packing, unpack } from "../../providers/packed.ts";
import { toState, UNKNOWN, type Provider } from "../../providers/provider.ts";

interface Properties {
    users?: string[];
    size: number;
}

/** Records what it is asked, and answers with the same. */
function noting(): { asked: unknown[]; provider: Provider<Properties, Properties> } {
    const asked: unknown[] = [];
    const note = <T>(properties: unknown[], answer: T): Promise<T> => {
        asked.push(...properties);
        return Promise.resolve(answer);
    };
    const provider: Provider<Properties, Properties> = {
        configure: () => Promise.resolve(),
        check: (olds, news) => note([olds, news], { inputs: news, failures: [] }),
        diff: (_id, olds, news) => note([olds, news], { changes: false }),
        create: (inputs) => note([inputs], { id: "1", outs: inputs }),
        read: (id, props) => note([props], { id, ...(props && { props }) }),
        update: (_id, olds, news) => note([olds, news], { outs: news }),
        delete: (_id, props) => note([props], undefined),
    };
    return { asked, provider };
}

describe("packed properties", () => {
    const users = ["ada", "bob", "Zoë"];
    const value = { users, size: 3 };
    /** The value as the engine has it; the type is that of the provider behind. */
    const text = { users: pack(users), size: 3 } as unknown as typeof value;
    const unknown = { users: UNKNOWN, size: 3 } as unknown as typeof value;

    it("are texts to the engine and values to the provider", async () => {
        const { asked, provider } = noting();
        const packed = packing(provider, ["users"]);
        assert.deepEqual(await packed.check(text, text), { inputs: text, failures: [] });
        await packed.diff("1", text, text);
        assert.deepEqual(await packed.create(text), { id: "1", outs: text });
        assert.deepEqual(await packed.update("1", text, text), { outs: text });
        assert.deepEqual(asked, [text, ...Array<unknown>(6).fill(value)]);
        assert.deepEqual(await packed.read("1", text), { id: "1", props: text });
    });

    it("may be the values themselves, as in states of earlier versions", async () => {
        const { asked, provider } = noting();
        const packed = packing(provider, ["users"]);
        await packed.diff("1", value, text);
        assert.deepEqual(await packed.update("1", value, text), { outs: text });
        assert.deepEqual(asked, Array(4).fill(value));
        assert.deepEqual(unpack(users), users);
    });

    it("stay unknown, and omitted", async () => {
        const { asked, provider } = noting();
        const packed = packing(provider, ["users"]);
        assert.deepEqual((await packed.check(unknown, unknown)).inputs, unknown);
        await packed.diff("1", text, unknown);
        assert.deepEqual(toState(await packed.create({ size: 1 })), { id: "1", outs: { size: 1 } });
        assert.deepEqual(asked, [unknown, unknown, value, unknown, { size: 1 }]);
    });

    it("may be omitted by a check", async () => {
        const { provider } = noting();
        const dropping = {
            ...provider,
            check: (_olds: Properties, { size }: Properties) =>
                Promise.resolve({ inputs: { size } }),
        };
        const { inputs } = await packing(dropping, ["users"]).check(text, text);
        assert.deepEqual(inputs, { size: 3 });
    });
});
