import assert from "node:assert/strict";
import { secretRevealingOptions, devArguments } from "../../commands/devArguments.ts";

const SELECT = ["--stack", "dev", "--config-file", "FILE"];
const line = (text: string) => devArguments(text.split(" "), SELECT).join(" ");

describe("arguments for Pulumi on the dev stack", () => {
    for (const [given, expected] of [
        ["up --yes", "up --stack dev --config-file FILE --yes"],
        ["--color never -v 3 pre", "--color never -v 3 pre --stack dev --config-file FILE"],
        ["config set a -- -1", "config --stack dev --config-file FILE set a -- -1"],
        [
            "config set stack -- --stack",
            "config --stack dev --config-file FILE set stack -- --stack",
        ],
        ["-s dev destroy", "-s dev destroy --stack dev --config-file FILE"],
        ["up --config-file mine.yaml", "up --config-file mine.yaml"],
        ["stack export --file up", "stack export --file up"],
        ["state delete urn", "state delete urn"],
        ["--help", "--help"],
    ] as const) {
        it(`${given} → ${expected}`, () => assert.equal(line(given), expected));
    }

    for (const [given, env, expected] of [
        ["up --debug", {}, ["--debug"]],
        ["up -d", {}, ["-d"]],
        ["-v=9 up", {}, ["-v"]],
        ["up --verbose 11 --logtostderr", {}, ["-v"]],
        ["up -v9", {}, ["-v"]],
        ["up --event-log=e.json", {}, ["--event-log=e.json"]],
        ["preview", { PULUMI_DEBUG_COMMANDS: "1" }, ["PULUMI_DEBUG_COMMANDS"]],
        ["preview --diff -v=3", { PULUMI_DEBUG_COMMANDS: "" }, []],
        ["config set key -- --debug", {}, []],
    ] as const) {
        it(`${given} ${JSON.stringify(env)}: ${expected.length} of its options print secrets`, () => {
            assert.deepEqual(secretRevealingOptions(given.split(" "), env), expected);
        });
    }

    for (const given of [
        ...[
            "stack rm",
            "stack --show-ids remove -y",
            "stack rename x",
            "stack init x",
            "stack new x",
        ],
        ...["stack select x", "stack unselect", "stack change-secrets-provider passphrase"],
        ...[
            "config cp --dest x",
            "up --stack x",
            "up --stack=x",
            "up -s x",
            "up -sx",
            "login",
            "new",
        ],
    ]) {
        it(`${given} is refused`, () => assert.throws(() => line(given), /\.$/));
    }
});
