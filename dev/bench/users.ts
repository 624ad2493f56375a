/**
 * `npm run bench -- users`: what many users cost, beside the same program with one. `USERS=1000,5000`
 * for other numbers.
 */
import { Project, usersNamed } from "../../test/support/project.ts";
import { alternate, row } from "./support/measure.ts";

const RUNS = Number(process.env.RUNS ?? 5);
const COUNTS = (process.env.USERS ?? "1000,5000").split(",").map(Number);
/** Seconds beyond the first `up` of one user, and ratios to an unchanged one of one user. */
const BOUNDS = { firstUp: 60, unchanged: 1.3 };

const projects: Project[] = [];
try {
    const one = await deploy(1);
    for (const count of COUNTS) {
        const many = await deploy(count);
        console.log(`${count} users`);
        const more = many.seconds - one.seconds;
        console.log(
            `first up: ${many.seconds.toFixed(1)} s, with one user ${one.seconds.toFixed(1)} s, ` +
                `${more.toFixed(1)} s more (at most ${BOUNDS.firstUp})`,
        );
        for (const command of ["preview", "up"]) {
            const args = command === "up" ? ["--yes", "--skip-preview"] : [];
            const unchanged = (project: Project) => async () => {
                const run = await project.cli([command, "--expect-no-changes", ...args]);
                if (run.code !== 0) throw new Error(run.output);
            };
            const figures = await alternate(RUNS, {
                [`${command}, unchanged, 1 user`]: unchanged(one.project),
                [`${command}, unchanged, ${count} users`]: unchanged(many.project),
            });
            for (const [name, figure] of Object.entries(figures)) console.log(row(name, figure));
            const [floor, ours] = Object.values(figures);
            const ratio = ours!.median / floor!.median;
            console.log(`ratio of the medians: ${ratio.toFixed(2)} (at most ${BOUNDS.unchanged})`);
        }
    }
} finally {
    for (const project of projects) await project.remove();
}

async function deploy(count: number): Promise<{ project: Project; seconds: number }> {
    const names = Array.from({ length: count }, (_, at) => `user-${at}`);
    const project = await Project.make({ users: usersNamed(...names) });
    projects.push(project);
    const begun = performance.now();
    await project.deploy();
    return { project, seconds: (performance.now() - begun) / 1000 };
}
