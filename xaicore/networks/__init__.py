"""Networks: recognise one whose score is a sum over places, load trained ones, and ask what they see."""
