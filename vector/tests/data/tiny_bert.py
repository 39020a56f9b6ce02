"""Makes `tiny-bert/`: a BERT of random weights in the form of a sentence-transformers directory, and
`expected.json`, what sentence-transformers answers for some texts with it.

Run by hand, in a Python that has sentence-transformers: `python tiny_bert.py`. The seed is fixed.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertModel

FOLDER = Path(__file__).resolve().parent / "tiny-bert"
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = """the a of and to in is was it for on are as with his they at be this from have or by one had
not but what all were when we there can an your which their said if do will each about how up out them
then she many some so these would other into has more her two like him see time could no make than
first been its who now people my made over did down only way find use may water long little very after
words called just where most know river stone ##ing ##ed ##s ##er ##ly ##est ##ion""".split()
TEXTS = [
    "",
    "the",
    "The people called the RIVER long.",
    "water, stone & 3 words!",
    "naïve café in Zürich",
    "東京 is where they made it",
    "   \t\n ",
    "running finder stoned mostly waters",
    "x" * 150,
    "a" + " b c d" * 40,
    " ".join(WORDS[:60]),
    "what would you do if one of them said no? 🙂",
]


def main():
    torch.manual_seed(20)
    FOLDER.mkdir(exist_ok=True)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *".,!?&'-", *LETTERS, *("##" + x for x in LETTERS), *WORDS]
    vocabulary = {piece: at for at, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    around = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=around)
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.save(str(FOLDER / "tokenizer.json"), pretty=False)

    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=64, initializer_range=0.4,
    )  # fmt: skip
    model = BertModel(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith("bias") or "LayerNorm" in name:
                tensor.add_(torch.randn_like(tensor) * 0.2)
    model.save_pretrained(FOLDER)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, FOLDER / "model.safetensors")
    write("config.json", json.loads((FOLDER / "config.json").read_text()) | {"architectures": ["BertModel"]})
    special = dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")
    write("tokenizer_config.json", special | {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64})
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    write("modules.json", [dict(idx=at, name=str(at), path=path, type=f"sentence_transformers.models.{kind}") for at, (path, kind) in enumerate(kinds)])
    write("sentence_bert_config.json", dict(max_seq_length=48, do_lower_case=False))
    expected = {}
    for pooling in ("cls_token", "max_tokens", "mean_tokens"):
        says = {f"pooling_mode_{mode}": mode == pooling for mode in ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")}
        write("1_Pooling/config.json", dict(word_embedding_dimension=32) | says)
        model = SentenceTransformer(str(FOLDER), device="cpu")
        assert len(model[0].auto_model.embeddings.word_embeddings.weight) == len(vocabulary)
        assert max(len(model[0].tokenizer(text)["input_ids"]) for text in TEXTS) > 48
        rows = model.encode(TEXTS, batch_size=4).tolist()
        expected[pooling] = [[float(f"{value:.9g}") for value in row] for row in rows]
    write("expected.json", dict(texts=TEXTS, rows=expected))
    assert len(load_file(FOLDER / "model.safetensors")) == 37


def write(name, content):
    path = FOLDER / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=None if "expected" in name else 2) + "\n")


if __name__ == "__main__":
    main()
