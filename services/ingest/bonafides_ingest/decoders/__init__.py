"""Codecs of event logs, generated from ABI JSON."""

from bonafides_ingest.decoders.codec import DECODER_VERSION, EventCodec, load_codec

__all__ = ["DECODER_VERSION", "EventCodec", "load_codec"]
