import assert from "node:assert/strict";
import {
    CA_KEY,
    isOf,
    REPLACED,
    ReplacedStack,
    SHUT_OUT,
    type Replaced,
} from "./support/replacedStack.ts";

/** Renames each type in turn in the program's code; the resource before gets its name back. */
describe("a renamed resource of a deployed stack", function () {
    this.timeout(300_000);
    let stack: ReplacedStack;

    before(async () => {
        stack = await ReplacedStack.make();
        stack.project.edit("Pulumi.yaml", (text) =>
            text.replace(/nodeargs: .*/, "$& --require ./test/e2e/support/renames.cjs"),
        );
    });
    after(() => stack?.project.remove());

    function rename(all: readonly Replaced[], more: NodeJS.ProcessEnv = {}): void {
        stack.env = { RENAMED: JSON.stringify(all), ...more };
    }

    for (const one of REPLACED) {
        const { type, name, fate } = one;
        it(`without an alias: ${type} ${name} is ${fate}`, async () => {
            rename([one]);
            if (fate === "refused") {
                await stack.isRefused([], SHUT_OUT);
                rename([]);
                await stack.goesThrough();
            } else {
                const done = await stack.goesThrough();
                const renamed = { type, name: `${name}-renamed` };
                assert.ok(done.some((line) => isOf(line, renamed)));
            }
        });
    }

    it("with an alias, all at once: nothing is created and nothing deleted", async () => {
        rename([]);
        await stack.goesThrough();
        rename(REPLACED, { ALIASED: "1" });
        const done = await stack.goesThrough();
        assert.deepEqual(
            done.filter((line) => !line.startsWith("update ")),
            [],
        );
        await stack.urnOf(CA_KEY.type, `${CA_KEY.name}-renamed`);
    });
});
