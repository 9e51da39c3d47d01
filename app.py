"""What a Hugging Face Space starts, and `python app.py` everywhere else."""

if __name__ == "__main__":  # worker processes import this file and must not import the page
    from image2model.web.server import main

    main()
