/** Checks that each command in README and docs is run by a test or excepted with a reason. */
import assert from "node:assert/strict";
import { commandsIn, NOT_RUN, PAGES, reasonNotToRun } from "../support/pages.ts";

const ALL = PAGES.flatMap((page) => commandsIn(page));

describe("commands in the pages", () => {
    it("are found in blocks and in sentences", () => {
        const text =
            "Run `npm run\nlocal`, not `npm`.\n\n```sh\na 'b\nc' # d\n\ne \\\n  f\n```\n\n" +
            "```yaml\nkey: `fly x y`\n```\n";
        assert.deepEqual(
            commandsIn("page", text).map((one) => [one.text, one.block]),
            [
                ["npm run local", undefined],
                ["a 'b\nc'", 0],
                ["e \\\n  f", 0],
            ],
        );
        assert.ok(ALL.length > 100, `${ALL.length} commands`);
    });

    it("are excepted from the run for reasons that still apply", () => {
        for (const { commands, why } of NOT_RUN) {
            assert.ok(
                ALL.some(({ text }) => commands.test(text)),
                `${commands} (${why}) is in no page`,
            );
        }
    });

    it("are mostly run", () => {
        const excepted = ALL.filter((one) => reasonNotToRun(one) !== undefined);
        assert.ok(excepted.length < ALL.length / 2, `${excepted.length} of ${ALL.length}`);
    });
});
