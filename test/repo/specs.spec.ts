import assert from "node:assert/strict";
import { allSpecs, chooseSpecs } from "../../commands/specs.ts";

/** Suites that test Mosquitto, not this project. */
const UPSTREAM = ["conformance"];

const spec = (
    name: string,
    { unit = false, core = unit }: { unit?: boolean; core?: boolean } = {},
) => {
    const [room] = name.split("/") as [string];
    return { file: `test/${name}.spec.ts`, room, name, unit, core };
};

const SPECS = [
    spec("config/settings", { unit: true }),
    spec("broker/conf", { unit: true }),
    spec("broker/running", { core: true }),
    spec("broker/storm"),
];

describe("the choice of specs", () => {
    for (const [scope, names, expected] of [
        ["fast", [], ["config/settings", "broker/conf"]],
        ["fast", ["broker"], ["broker/conf"]],
        ["core", [], ["config/settings", "broker/conf", "broker/running"]],
        ["core", ["broker"], ["broker/conf", "broker/running", "broker/storm"]],
        ["core", ["broker/storm"], ["broker/storm"]],
        ["core", ["lint"], []],
        ["all", [], SPECS.map(({ name }) => name)],
        ["all", ["config"], ["config/settings"]],
    ] as const) {
        it(`${scope} ${names.join(" ")} takes ${expected.length} of ${SPECS.length}`, () => {
            const chosen = chooseSpecs(SPECS, scope, names);
            assert.deepEqual(
                chosen.map(({ name }) => name),
                expected,
            );
        });
    }

    it("finds specs that need tools by their imports, direct or not", () => {
        const unit = Object.fromEntries(allSpecs().map((one) => [one.name, one.unit]));
        assert.deepEqual(
            ["broker/conf", "broker/running", "local/leases", "providers/diff", "e2e/live"].map(
                (name) => unit[name],
            ),
            [true, false, false, true, false],
        );
    });

    it("leaves out no room in npm test", () => {
        const specs = allSpecs();
        const rooms = (of: typeof specs) => [...new Set(of.map(({ room }) => room))];
        const proved = rooms(specs).filter((room) => !UPSTREAM.includes(room));
        assert.deepEqual(rooms(chooseSpecs(specs, "core")), proved);
    });
});
