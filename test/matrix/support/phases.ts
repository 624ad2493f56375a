/** Operations on a stack, each from its beginning to its end. */
import { Identity } from "./identity.ts";
import { isDeployed, isGone } from "./invariants.ts";
import { crashMatrix, type CrashPhase } from "./matrix.ts";
import { usersNamed } from "../../../dev/harness/project.ts";
import { Stage } from "./stage.ts";

/** URN of a CA's key. */
const CA_KEY = /\$tls:index\/privateKey:PrivateKey::.*certificates:ca(-\d+)?$/;

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

    /** Changes memory, volume, users and image at once. */
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

    /** Replaces every resource at once, except the CA's key: a new one is refused. */
    replace: (stage) => {
        let identity: Identity | undefined;
        return replacing(stage, {
            name: "replace",
            isReplaced: (urn) => !CA_KEY.test(urn),
            begin: async () => void (identity ??= await Identity.make(stage)),
            check: async () => {
                await isDeployed(stage, { memoryMb: 256, volumeSizeGb: 1, users: ["tester"] });
                await identity!.isKept();
            },
        });
    },

    /** Replaces the CA's key, which a setting allows. */
    "new CA": (stage) =>
        replacing(stage, {
            name: "new CA",
            isReplaced: (urn) => CA_KEY.test(urn),
            begin: () => stage.project.configure({ clientsShutOut: "allow" }),
            check: () => isDeployed(stage, { memoryMb: 256, volumeSizeGb: 1, users: ["tester"] }),
        }),

    destroy: (stage) => ({
        name: "destroy",
        prepare: () => stage.mustSucceed(stage.up()),
        run: (at) => stage.destroy(at),
        check: () => isGone(stage),
    }),
};

interface Replacing {
    name: string;
    isReplaced: (urn: string) => boolean;
    /** Checks the preconditions. */
    begin: () => Promise<void> | void;
    check: () => Promise<void>;
}

/** An `up --replace`; after a killed run, the next only continues. */
function replacing(stage: Stage, { name, check, isReplaced, begin }: Replacing): CrashPhase {
    let replaced: string[] = [];
    return {
        name,
        check,
        async prepare(broken) {
            await begin();
            if (broken) await stage.mustSucceed(stage.up());
            replaced = stage.urns().filter(isReplaced);
        },
        run(at) {
            const options = replaced.splice(0).flatMap((urn) => ["--replace", urn]);
            return stage.up(at, options);
        },
    };
}

/** Defines a mocha suite of one phase's matrix. */
export function crashSuite(phase: string): void {
    describe("a killed run", function () {
        this.timeout(0);
        let stage: Stage;

        before(async () => {
            stage = await Stage.make();
        });
        after(() => stage.remove());

        it(`converges with at most one more run, wherever in the ${phase} it was killed`, () =>
            crashMatrix(stage, PHASES[phase]!(stage)));
    });
}
