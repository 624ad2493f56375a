import assert from "node:assert/strict";
import { sizeProblemIn } from "../../dev/toolchain/devStack.ts";

describe("settings of the dev stack", () => {
    const yaml = (names: number) =>
        `config:\n  appkata-mqtt:port: "1"\n  appkata-mqtt:users: ${JSON.stringify(
            Array.from({ length: names }, (_, at) => ({ name: `user-${at}` })),
        )}\n`;

    it("fit into the variable that Pulumi hands them over in, or are told with both numbers", () => {
        assert.equal(sizeProblemIn("{}\n"), undefined);
        assert.equal(sizeProblemIn(yaml(4000)), undefined);
        const [, bytes, most] =
            /^The settings take (\d+) bytes.* may have (\d+)\. Move the users into a file: /.exec(
                sizeProblemIn(yaml(6000)) ?? "",
            ) ?? [];
        assert.ok(Number(bytes) > Number(most), bytes);
        assert.equal(most, "131071");
    });
});
