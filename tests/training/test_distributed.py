import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from conftest import LINES, tiny_model
from torch.nn.parallel import DistributedDataParallel

pytestmark = pytest.mark.slow


def batch() -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    ids, taught = (torch.randint(3, 200, (12, 7), generator=rng) for _ in range(2))
    mask = (torch.arange(7) < torch.arange(1, 13)[:, None].clamp_max(7)).long()
    lessons = {"taught_z": torch.randn(12, 8, generator=rng), "taught_ids": taught, "taught_mask": mask}
    return {"input_ids": ids, "attention_mask": mask, **lessons}


def gradients(rank: int, processes: int, folder: Path, regulariser: str) -> None:
    """The gradients of one batch, spread over some processes, into a file."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = tiny_model(256, token_deletion=0.0, latent_noise=0.0, regulariser=regulariser, distillation=0.5)
    model.train()
    rows = {name: value.chunk(processes)[rank] for name, value in batch().items()}
    own = len(rows["input_ids"])

    def same_draws(z: torch.Tensor) -> torch.Tensor:
        """For every text, or for those of this process, what one process would draw."""
        draws = torch.randn(12, z.shape[1], generator=torch.Generator().manual_seed(2))
        return draws if len(z) == 12 else draws[rank * own : (rank + 1) * own]

    torch.randn_like = same_draws  # type: ignore[assignment]
    if processes > 1:
        # They meet in a file: a port that was free a moment ago may be another's by now.
        meeting = f"file://{folder}/meeting"
        dist.init_process_group("gloo", meeting, rank=rank, world_size=processes)
    trained = DistributedDataParallel(model) if processes > 1 else model
    trained(**rows).loss.backward()
    if rank == 0:
        torch.save(
            {name: parameter.grad for name, parameter in model.named_parameters()}
            | {"mean": model.bottleneck.standardise.running_mean},
            folder / f"{processes}.pt",
        )
    if processes > 1:
        # The group dies with the model that uses it, and then waits for work under way, which waits for this thread.
        dist.barrier()
        del trained
        dist.destroy_process_group()


@pytest.mark.parametrize("regulariser", ["mmd", "kl", "adversarial"])
def test_two_processes_have_the_gradients_of_one_with_the_whole_batch(tmp_path, regulariser):
    for processes in (1, 2):
        arguments = (processes, tmp_path, regulariser)
        spawned = mp.spawn(gradients, arguments, nprocs=processes, join=False)
        until = time.monotonic() + 3600
        while not spawned.join(timeout=5):
            if time.monotonic() > until:
                for process in spawned.processes:
                    process.kill()
                pytest.fail(f"{processes} processes wait for each other")
    one, two = (torch.load(tmp_path / f"{processes}.pt") for processes in (1, 2))
    assert one.keys() == two.keys()
    assert all(value.abs().max() > 0 for name, value in one.items() if name != "mean" and value is not None)
    for name, value in one.items():
        torch.testing.assert_close(
            two[name], value, atol=1e-5, rtol=1e-3, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_two_processes_reach_the_loss_of_one(tmp_path):
    (tmp_path / "lines.txt").write_text("\n".join(f"{line} {i}" for i in range(40) for line in LINES), encoding="utf-8")
    code = (
        "from latentopt.training.settings import SIZES; from latentopt.cli import main;"
        "SIZES['tiny'] = dict(d_model=64, d_kv=16, num_heads=4, d_ff=96, num_layers=2, num_decoder_layers=1);"
        "main()"
    )
    (tmp_path / "main.py").write_text(code, encoding="utf-8")
    losses = {}
    for processes in (1, 2):
        out = tmp_path / str(processes)
        options = "--device cpu --size tiny --latent-dim 16 --vocab-size 300 --batch-size 64 --learning-rate 3e-3"
        command = ["torch.distributed.run", "--nproc-per-node", str(processes), "--standalone"]
        command += [str(tmp_path / "main.py"), "train", "--text", str(tmp_path / "lines.txt"), "--out", str(out)]
        command += [*options.split(), "--steps", "120", "--evaluate-every", "60"]
        ran = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, timeout=3600)
        assert ran.returncode == 0, ran.stderr[-3000:]
        assert ran.stderr.count("wrote the model") == 1
        state = json.loads((out / "checkpoints/checkpoint-120/trainer_state.json").read_text())
        losses[processes] = [entry["loss"] for entry in state["log_history"] if "loss" in entry]
    assert len(losses[1]) == len(losses[2]) > 1
    assert losses[1][-1] < 0.7 * losses[1][0]
    assert losses[2] == pytest.approx(losses[1], rel=0.05)
