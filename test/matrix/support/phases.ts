/** What people do with a stack, each from where it begins to where it ends. */
import { Identity } from "./identity.ts";
import { isDeployed, isGone } from "./invariants.ts";
import { crashMatrix, type CrashPhase } from "./matrix.ts";
import { usersNamed } from "../../support/project.ts";
import { Stage } from "./stage.ts";

const PHASES: Record<string, (stage: Stage) => CrashPhase> = {
    "first up": (stage) => ({
        name: "first up",
        async prepare() {
            if (stage.stateText() !== "") await stage.mustSucceed(stage.destroy());
            await isGone(stage);
        },
        run: (at) => stage.up(at),
        check: () => isDeployed(stage, { memoryMb: 256, volumeSizeGb: 1, users: ["tester"] }),
    }),

    /** Of memory, volume, users and image, all at once. */
    update: (stage) => {
        let round = 0;
        const wanted = () => ({
            memoryMb: round % 2 === 0 ? 256 : 512,
            volumeSizeGb: 1 + round,
            users: round % 2 === 0 ? ["tester"] : ["tester", "other"],
        });
        const imageText = () => String(round);
        return {
            name: "update",
            async prepare(broken) {
                if (broken) await stage.mustSucceed(stage.up());
                round++;
                stage.project.configure({ ...wanted(), users: usersNamed(...wanted().users) });
                stage.changeImage(imageText());
            },
            run: (at) => stage.up(at),
            check: () => isDeployed(stage, { ...wanted(), imageText: imageText() }),
        };
    },

    /** Of every resource at once, but for the CA's key: a new one is refused. */
    replace: (stage) => {
        let identity: Identity | undefined;
        let targets: string[] = [];
        return {
            name: "replace",
            async prepare(broken) {
                if (broken && identity) await stage.mustSucceed(stage.up());
                identity ??= await Identity.make(stage);
                targets = stage.replaceable();
            },
            run(at) {
                const replaced = targets.flatMap((urn) => ["--replace", urn]);
                // The run after a killed one only goes on.
                targets = [];
                return stage.up(at, replaced);
            },
            async check() {
                await isDeployed(stage, { memoryMb: 256, volumeSizeGb: 1, users: ["tester"] });
                await identity!.isKept();
            },
        };
    },

    destroy: (stage) => ({
        name: "destroy",
        prepare: () => stage.mustSucceed(stage.up()),
        run: (at) => stage.destroy(at),
        check: () => isGone(stage),
    }),
};

/** A mocha suite of one phase's matrix. */
export function crashSuite(phase: string): void {
    describe("a run that is killed", function () {
        this.timeout(0);
        let stage: Stage;

        before(async () => {
            stage = await Stage.make();
        });
        after(() => stage.remove());

        it(`converges with at most one further run, wherever it was in the ${phase}`, () =>
            crashMatrix(stage, PHASES[phase]!(stage)));
    });
}
